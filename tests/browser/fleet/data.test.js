// Rows of a file that was dropped on the page reach the users of a fleet, each once, as the target counts them.
import { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { pages, picture } from '../lib/browser.js';
import { Fleet, scenario } from '../lib/fleet.js';
import { id, state } from '../lib/look.js';
import { eventually } from '../lib/wait.js';

const ROWS = 7;
const USERS = 10;

let fleet;
before(async () => (fleet = await Fleet.start({ workers: 2 })));
after(async () => fleet?.end());

const customers = `name,password,quantity\n${Array.from({ length: ROWS }, (_, n) => `customer-${n},secret,1\n`).join('')}`;
const csv = (name, text) => ({ name, mimeType: 'text/csv', buffer: Buffer.from(text) });

/** Requests that the shop has seen. @param {string} path */
const served = async (path) => (await (await fetch(`${fleet.shop}/_stats`)).json()).paths[path]?.count ?? 0;

pages('a file of rows: uploaded, chosen, each row used once', async ({ open }) => {
  const page = await open({ url: fleet.url, path: '#/new', allowed: [/status of 422/] });
  await page.locator(id('file')).setInputFiles(scenario('data'));
  await page.locator(id('field-host')).fill(fleet.shop);
  await page.locator(id('model-users')).click();
  await page.locator(id('field-users')).fill(String(USERS));
  // Nobody can start without the rows that the scenario opens.
  await page.getByText(/`users`/).first().waitFor();
  assert.ok(await page.locator(id('start')).isDisabled());

  await page.locator(id('file')).setInputFiles(csv('torn.csv', 'a,b\n1,2\n3\n'));
  await page.locator(id('rejected')).getByText('torn.csv').waitFor();
  await page.locator(id('file')).setInputFiles(csv('customers.csv', customers));
  const choice = page.locator(id('data-users'));
  await choice.locator('option', { hasText: `customers.csv · ${ROWS} rows` }).waitFor({ state: 'attached' });
  await choice.selectOption({ label: `customers.csv · ${ROWS} rows` });
  for (const column of ['name', 'password', 'quantity']) await page.locator('code.tag', { hasText: column }).waitFor();
  await page.locator(id('field-run-time')).fill('6s');
  assert.match(await page.locator(id('command')).innerText(), /--data users=customers\.csv/);
  await picture(page, 'data-form', { fullPage: true });
  await page.locator(`${id('start')}:enabled`).click();
  await page.waitForURL(/#\/runs\/\w+/);
  await state(page, 'finished', 60_000);

  // Users that found no row are done; nobody logged in twice.
  assert.equal(await served('POST /login'), ROWS);
  const run = await page.locator(id('run')).getAttribute('data-run');
  const { body } = await fleet.api('GET', `runs/${run}`);
  const [rows] = Object.values(body.shared.rows);
  assert.deepEqual([rows.total, rows.taken, rows.repeated], [ROWS, ROWS, 0]);
  await page.locator(id('tab-metrics')).click();
  const line = page.locator(`${id('table-shared')} [role=row], ${id('table-shared')} tr`).filter({ hasText: 'users' });
  await eventually('the page says so, too', async () => (await line.allInnerTexts()).some((text) => text.split(/\s+/).filter((word) => word === String(ROWS)).length >= 2));
  await picture(page, 'data-run', { fullPage: true });
});

pages('who worked for a run, and what its users wrote, is there when the fleet has gone on', async ({ open }) => {
  const { body: listed } = await fleet.api('GET', 'runs');
  const { run } = listed.runs[0];
  const { body: told } = await fleet.api('GET', `runs/${run}/workers`);
  assert.deepEqual(Object.keys(told.workers).sort(), ['worker-1', 'worker-2']);
  const page = await open({ url: fleet.url, path: `#/runs/${run}` });
  await page.locator(id('tab-workers')).click();
  const table = page.locator(id('table-workers'));
  for (const worker of ['worker-1', 'worker-2']) await table.getByText(worker, { exact: true }).waitFor();
  await page.locator(id('tab-logs')).click();
  await page.locator(id('logs')).waitFor();
});
