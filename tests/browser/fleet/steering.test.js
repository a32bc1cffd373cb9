// What is done to a run that goes on, beside its load: another version of its scenario, statistics that begin anew.
// And what the page says of a scenario that crashes.
import { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { pages, picture } from '../lib/browser.js';
import { component, Fleet, scenario } from '../lib/fleet.js';
import { charts, greyed, id, state } from '../lib/look.js';
import { eventually } from '../lib/wait.js';

let fleet;
before(async () => (fleet = await Fleet.start({ workers: 2 })));
after(async () => fleet?.end());

/** A run of this scenario with two users, and its page. */
async function watched(open, name, settings = {}) {
  const digest = (await fleet.api('POST', `scenarios?name=${name}.wasm`, component(name))).body.digest;
  const { status, body } = await fleet.api('POST', 'runs', { scenario: digest, settings: { host: fleet.shop, users: 2, ...settings } });
  assert.equal(status, 201, JSON.stringify(body));
  const page = await open({ url: fleet.url, path: `#/runs/${body.run}` });
  await state(page, 'running');
  return { page, run: body.run };
}

async function stop(page, run) {
  await fleet.api('POST', `runs/${run}/stop`, { mode: 'now' });
  await state(page, 'finished');
}

const rows = async (run) => Object.keys((await fleet.api('GET', `runs/${run}`)).body.tasks);

pages('a new version comes to the users of a run that goes on, from a file that is given to its page', async ({ open }) => {
  const { page, run } = await watched(open, 'first_version');
  await eventually('the first version at work', async () => (await rows(run)).some((task) => task.includes('look')));
  await page.locator(id('new-version')).click();
  await page.getByRole('dialog').locator(id('version-file')).setInputFiles(scenario('second_version'));
  await page.locator(`${id('version-do')}:enabled`).click();
  await page.locator(id('version-dialog')).waitFor({ state: 'detached' });
  await eventually('the second version at work', async () => (await rows(run)).some((task) => task.includes('glance')));
  await page.getByText('2.0.0').first().waitFor();
  await page.locator(id('tab-tasks')).click();
  for (const task of ['look', 'glance']) await page.getByRole('tabpanel').getByText(task, { exact: true }).waitFor();
  await picture(page, 'new-version', { fullPage: true });
  // Nobody was started anew: the same users go on, and none was lost.
  const { body } = await fleet.api('GET', `runs/${run}`);
  assert.deepEqual([body.users, body.workers_lost, body.counters.crashed_users], [2, 0, 0]);
  await stop(page, run);
});

pages('statistics begin anew when the page is told to, and what was before stays on the charts', async ({ open }) => {
  const { page, run } = await watched(open, 'checkout', { users: 4, 'spawn-rate': '1' });
  const seconds = async () => (await charts(page)).rate?.t ?? [];
  await eventually('some seconds on the charts', async () => (await seconds()).length >= 4);
  const { body: before } = await fleet.api('GET', `runs/${run}`);
  await page.locator(id('reset')).click();
  await page.locator(id('confirm-do')).click();
  await eventually('statistics anew', async () => (await fleet.api('GET', `runs/${run}`)).body.counted_from_seconds > 0);
  await eventually('seconds after that', async () => (await seconds()).at(-1) > before.elapsed_seconds + 3);
  const [first] = await seconds();
  assert.ok(first <= 2, `the charts begin at ${first} s`);
  const from = (await fleet.api('GET', `runs/${run}`)).body.counted_from_seconds;
  const either = [1.5, from - 0.6, from + 1.6];
  assert.deepEqual(await greyed(page, id('charts'), either), [true, true, false], `greyed until ${from} s`);
  await picture(page, 'reset', { fullPage: true });
  const { body: points } = await fleet.api('GET', `runs/${run}/points`);
  const counted = points.rows.map((row) => Boolean(row[points.columns.indexOf('counted')]));
  assert.ok(!counted[0] && counted.at(-1), `seconds before it do not count, those after it do: ${counted}`);
  await stop(page, run);
  const { body } = await fleet.api('GET', `runs/${run}`);
  const all = points.rows.reduce((sum, row) => sum + row[points.columns.indexOf('rps')] * row[points.columns.indexOf('span')], 0);
  assert.ok(body.total.requests > 0 && body.total.requests < all, `${body.total.requests} of ${all} requests count`);
  // So does its report.
  const file = fleet.file('reset.html', (await fleet.api('GET', `runs/${run}/report.html`)).body);
  const report = await open({ url: 'http://127.0.0.1:1', file });
  await report.locator('canvas').first().waitFor();
  assert.deepEqual(await greyed(report, '#plots', either), [true, true, false]);
  const marks = await report.evaluate(() => document.querySelector('#plots').charts.marks.map(({ text }) => text));
  assert.ok(marks.some((text) => text.includes('statistics were reset')) && marks.includes('all 4 users are there'), marks.join());
  await report.getByRole('row', { name: /All together/ }).getByText(body.total.requests.toLocaleString('en-GB'), { exact: true }).waitFor();
});

pages('users that crash are told with the place in the scenario, on the page and in the report', async ({ open }) => {
  const { page, run } = await watched(open, 'hostile', { params: { mode: 'trap' } });
  await page.locator(id('tab-failures')).click();
  await page.locator(id('table-failures')).getByText('no such item').first().waitFor();
  const frames = page.locator(id('frames'));
  await frames.getByText(/lib\.rs:\d+/).first().waitFor();
  await picture(page, 'crashes', { fullPage: true });
  await stop(page, run);
  const { body: report } = await fleet.api('GET', `runs/${run}/report.html`);
  assert.match(report, /no such item/);
  assert.match(report, /lib\.rs:\d+/);
});
