// The form of a new run: what is dropped on it, typed into it and remembered, and that its command line is the same run.
import { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { dirname } from 'node:path';
import { pages, picture } from '../lib/browser.js';
import { component, Fleet, LOADHOST } from '../lib/fleet.js';
import { id, state } from '../lib/look.js';

let fleet;
before(async () => (fleet = await Fleet.start({ workers: 2 })));
after(async () => fleet?.end());

/** Users that the shop has seen arrive: readers, writers, auditors. */
async function arrived() {
  const { paths } = await (await fetch(`${fleet.shop}/_stats`)).json();
  return ['GET /items', 'GET /item/{id}', 'GET /'].map((path) => paths[path]?.count ?? 0);
}

/** Lets a file fall on the page, as from a folder that lies beside it. */
const drop = (page, name, bytes) =>
  page.evaluate(
    ([name, base64]) => {
      const data = new DataTransfer();
      data.items.add(new File([Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))], name));
      document.querySelector('main').dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));
    },
    [name, Buffer.from(bytes).toString('base64')],
  );

const weight = (page, type) => page.locator(id(`field-user-types.${type}`));

pages('a scenario that is dropped on the page is started with weights, numbers and parameters of one\'s own, and its command starts the same', async ({ open }) => {
  const page = await open({ url: fleet.url, path: '#/new' });
  await page.locator(id('drop')).waitFor();
  await drop(page, 'several types.wasm', component('several_types'));
  await page.locator(id('form')).getByRole('heading', { name: 'several-types' }).waitFor();
  await page.locator(id('field-host')).fill(fleet.shop);
  // It cannot be started without what the scenario cannot do without.
  await page.locator('.field .fault').filter({ hasText: 'token' }).waitFor();
  assert.ok(await page.locator(id('start')).isDisabled());
  assert.equal(await page.locator(id('field-params.token')).getAttribute('type'), 'password');
  await page.locator(id('field-params.token')).fill("it's $HOME and `more`");
  await page.locator(id('field-params.pause')).fill('40ms');
  await page.locator(id('model-users')).click();
  await page.locator(id('field-users')).fill('24');
  await page.locator(id('field-run-time')).fill('4s');
  await weight(page, 'Reader').fill('2');
  await weight(page, 'Writer').fill('5');
  await page.getByLabel('Writer', { exact: false }).locator('xpath=self::select').selectOption('count');
  await page.locator(`${id('start')}:enabled`).waitFor();
  await picture(page, 'several-types', { fullPage: true });

  await page.locator(id('command')).locator('..').locator(id('copy')).click();
  const command = await page.evaluate(() => navigator.clipboard.readText());
  assert.match(command, /^loadhost start 'several types\.wasm' /);
  assert.ok(command.includes(' --param token="$TOKEN" '), `secrets are left to whoever types it: ${command}`);

  await page.locator(id('start')).click();
  await page.waitForURL(/#\/runs\/\w+/);
  await state(page, 'finished');
  assert.deepEqual(await arrived(), [18, 5, 1], 'one auditor, five writers, and all others read');

  // What was typed is there the next time, but for what is secret.
  await page.goto(`${fleet.url}/#/new`);
  await page.reload();
  await page.getByRole('radio').first().check();
  await page.locator(id('form')).waitFor();
  for (const [field, value] of Object.entries({ users: '24', 'run-time': '4s', 'user-types.Reader': '2', 'user-types.Writer': '5', 'params.pause': '40ms', 'params.token': '' })) {
    assert.equal(await page.locator(id(`field-${field}`)).inputValue(), value, field);
  }

  fleet.file('several types.wasm', component('several_types'));
  const bash = { cwd: fleet.folder, encoding: 'utf8', stdio: 'pipe', env: { PATH: `${dirname(LOADHOST)}:${process.env.PATH}`, HOME: fleet.folder, LOADHOST_URL: fleet.url, TOKEN: 't' } };
  const [, run] = execFileSync('bash', ['-c', command], bash).match(/^run (\w+)$/m);
  await fleet.over(run);
  assert.deepEqual(await arrived(), [36, 10, 2]);
});
