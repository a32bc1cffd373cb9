// A master is killed while the page is open: the page says so, comes back, and shows the whole run.
import assert from 'node:assert/strict';
import { pages, picture } from '../lib/browser.js';
import { component, Fleet } from '../lib/fleet.js';
import { charts, id } from '../lib/look.js';
import { eventually } from '../lib/wait.js';

pages('the leader is killed while the page is open', async ({ t, open }) => {
  const fleet = await Fleet.start({ masters: 2, workers: 1, masterArgs: ['--lease', '1s'] });
  t.after(() => fleet.end());
  const uploaded = await fleet.api('POST', 'scenarios?name=checkout.wasm', component('checkout'));
  assert.equal(uploaded.status, 201, JSON.stringify(uploaded.body));
  const started = await fleet.api('POST', 'runs', { scenario: uploaded.body.digest, settings: { host: fleet.shop, users: 5 } });
  assert.equal(started.status, 201, JSON.stringify(started.body));
  const page = await open({ url: fleet.front.url, path: `#/runs/${started.body.run}`, allowed: [/Failed to load resource/, /status of 50[23]/, /ERR_/] });
  const last = async () => (await charts(page)).rate?.t.at(-1) ?? 0;
  await eventually('five seconds on the chart', async () => (await last()) >= 5);
  const leader = await page.locator(id('leader')).innerText();
  const before = await last();
  await fleet.masters[0].kill();
  await page.locator(`${id('disconnected')}, ${id('no-leader')}`).first().waitFor();
  await picture(page, 'master-killed');
  await page.locator(id('disconnected')).waitFor({ state: 'detached' });
  await eventually('another leader in the bar', async () => {
    const now = await page.locator(id('leader')).innerText();
    return now && now !== leader;
  });
  const said = await page.locator(id('announcer')).innerText();
  assert.match(said, /leads now|Connected again/, 'screen readers hear of it');
  await eventually('the chart goes on', async () => (await last()) > before + 3);
  const { rate } = await charts(page);
  assert.ok(rate.t[0] <= 2, `the run is shown from its beginning, not from ${rate.t[0]} s`);
  assert.ok(rate.t.every((second, i) => i === 0 || second > rate.t[i - 1]), 'seconds are in order');
  await picture(page, 'master-followed', { fullPage: true });
});
