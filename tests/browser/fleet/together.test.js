// Two people at one run, and what goes wrong while somebody watches: the page says so in words and goes on.
import { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { truncateSync } from 'node:fs';
import { pages, picture } from '../lib/browser.js';
import { component, Fleet, scenario } from '../lib/fleet.js';
import { id, state } from '../lib/look.js';
import { eventually } from '../lib/wait.js';

let fleet;
let digest;
before(async () => {
  fleet = await Fleet.start({ workers: 1 });
  digest = (await fleet.api('POST', 'scenarios?name=checkout.wasm', component('checkout'))).body.digest;
});
after(async () => fleet?.end());

async function started(settings = {}) {
  const { status, body } = await fleet.api('POST', 'runs', { scenario: digest, settings: { host: fleet.shop, users: 3, ...settings } });
  assert.equal(status, 201, JSON.stringify(body));
  return body.run;
}

pages('two browsers at one run: what one does the other sees, and a run that is deleted is gone from both', async ({ open }) => {
  const run = await started();
  const [one, other] = await Promise.all([open({ url: fleet.url, path: `#/runs/${run}`, allowed: [/status of 4\d\d/] }), open({ url: fleet.url, path: `#/runs/${run}`, lang: 'zh', theme: 'dark', allowed: [/status of 4\d\d/] })]);
  await Promise.all([state(one, 'running'), state(other, 'running')]);
  await one.locator(id('change')).click();
  await one.getByRole('dialog').getByLabel('Users', { exact: true }).fill('5');
  await one.locator(id('change-do')).click();
  await other.locator(id('status-users')).getByText('5', { exact: true }).waitFor({ timeout: 20_000 });
  // Both ask for the end; whoever comes second is not told off.
  for (const page of [one, other]) await page.locator(id('stop')).click();
  await Promise.all([one, other].map((page) => page.locator(id('confirm-do')).click()));
  await Promise.all([state(one, 'finished'), state(other, 'finished')]);
  await picture(other, 'together-over', { fullPage: true });
  assert.equal((await fleet.api('DELETE', `runs/${run}`)).status, 204);
  for (const page of [one, other]) await page.locator(id('no-run')).waitFor({ timeout: 20_000 });
  await picture(one, 'together-deleted');
});

pages('a file that is too large is refused in words, however long it takes to send', async ({ open }) => {
  const page = await open({ url: fleet.url, path: '#/new', allowed: [/status of 4\d\d/, /ERR_/] });
  const file = fleet.file('huge.wasm', '');
  truncateSync(file, 200 * 1024 * 1024);
  await page.locator(id('file')).setInputFiles(file);
  await page.locator(id('rejected')).getByText('huge.wasm').waitFor({ timeout: 60_000 });
  await picture(page, 'too-large');
  assert.match(await page.locator(id('rejected')).innerText(), /too large|MiB|at most/);
});

pages('values that are none are named where they stand, and nothing can be started with them', async ({ open }) => {
  const page = await open({ url: fleet.url, path: '#/new' });
  await page.locator(id('file')).setInputFiles(scenario('checkout'));
  await page.locator(id('field-host')).fill(fleet.shop);
  await page.locator(id('model-users')).click();
  for (const [field, values] of Object.entries({ users: ['-1', '1e99', '0.5', '99999999999999999999'], 'run-time': ['soon', '-5s', '1y', '99999999999h'] })) {
    const input = page.locator(id(`field-${field}`));
    for (const value of values) {
      await input.fill(value);
      await page.locator('.field .fault').filter({ hasText: `\`${value}\`` }).first().waitFor();
      assert.ok(await page.locator(id('start')).isDisabled(), `${field} ${value}`);
    }
    await picture(page, `none-${field}`, { fullPage: true });
    await input.fill(field === 'users' ? '3' : '');
    await eventually('nothing is wrong any more', async () => (await page.locator('.field .fault').count()) === 0 && page.locator(id('start')).isEnabled());
  }
});
