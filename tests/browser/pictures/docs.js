// The pictures of docs/screenshots, of a real fleet in a real run: `make screenshots`.
import { pages, picture } from '../lib/browser.js';
import { component, Fleet } from '../lib/fleet.js';
import { charts, id, state } from '../lib/look.js';
import { eventually } from '../lib/wait.js';

const SIZE = { width: 1440, height: 1000 };
const SHOP = ['--delay', '20ms', '--jitter', '15ms', '--error-rate', '0.004'];
const LOAD = { users: 60, 'spawn-rate': '8' };

pages('pictures', async ({ t, open }) => {
  const fleet = await Fleet.start({ workers: 3, shopArgs: [...SHOP, '--slow-path', '/checkout=60ms'] });
  t.after(() => fleet.end());
  const slower = fleet.loadhost('slower shop', ['demo-shop', '--listen', '127.0.0.1:0', ...SHOP, '--slow-path', '/checkout=90ms']);
  const [before] = await slower.says(/http:\/\/127\.0\.0\.1:\d+/);
  const { digest } = (await fleet.api('POST', 'scenarios?name=checkout.wasm', component('checkout'))).body;
  const start = async (settings, note) => {
    const thresholds = ['http_req_duration p(95) < 500ms', 'http_req_failed rate < 1%', 'checks rate > 99%'];
    const { body } = await fleet.api('POST', 'runs', { scenario: digest, note, tags: ['release-1.4'], settings: { host: fleet.shop, params: { pause: '100ms' }, thresholds, ...settings } });
    return body.run;
  };

  const form = await open({ url: fleet.url, path: '#/new', ...SIZE });
  await form.getByRole('radio').first().check();
  await form.locator(id('field-host')).fill(fleet.shop);
  await form.locator(id('model-stages')).click();
  await form.locator(id('curve')).getByText('up to 100 users').waitFor();
  await picture(form, 'new-run');

  const earlier = await start({ ...LOAD, host: before, 'run-time': '30s' }, 'before the new index');
  await fleet.over(earlier);
  const run = await start({ ...LOAD, 'run-time': '45s' }, 'with the new index on orders');
  const looks = { run: SIZE, 'run-dark-zh': { ...SIZE, theme: 'dark', lang: 'zh' }, 'run-phone': { width: 360, height: 780 } };
  const opened = Object.entries(looks).map(async ([name, look]) => ({ name, page: await open({ url: fleet.url, path: `#/runs/${run}`, ...look }) }));
  const shown = await Promise.all(opened);
  const [{ page }] = shown;
  const seconds = async () => (await charts(page)).rate?.t.length ?? 0;
  await eventually('a run that goes on', async () => (await seconds()) >= 15, 60_000);
  await fleet.workers[2].kill();
  await eventually('the loss and what followed', async () => (await seconds()) >= 34, 60_000);
  for (const { name, page } of shown) await picture(page, name);
  await state(page, 'finished', 60_000);
  await page.goto(`${fleet.url}/#/runs/${run}/compare/${earlier}`);
  await page.locator(id('verdict')).waitFor();
  await page.locator('[data-testid=chart-rate] .chart-time').getByText('Whole run').waitFor();
  await picture(page, 'compare');
});
