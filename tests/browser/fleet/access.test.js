// Who may do what: login, roles, and what the page then shows.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { pages, picture } from '../lib/browser.js';
import { Fleet, LOADHOST } from '../lib/fleet.js';
import { id } from '../lib/look.js';

pages('login, roles and logout', async ({ t, open }) => {
  const fleet = new Fleet();
  t.after(() => fleet.end());
  const users = `${fleet.folder}/users.toml`;
  for (const [name, role] of [['vera', 'view'], ['otto', 'operate'], ['ada', 'admin']]) {
    execFileSync(LOADHOST, ['user', 'add', name, '--role', role, '--web-users', users, '--password-stdin'], { input: `${name}-has-a-password\n`, cwd: fleet.folder });
  }
  await fleet.begin({ masters: 1, workers: 1, masterArgs: ['--web-users', users], shopArgs: [] });
  const anyone = await fleet.api('GET', 'runs');
  assert.equal(anyone.status, 401);
  assert.ok(anyone.body.code && anyone.body.message && anyone.body.hint, 'an error has code, message and hint');

  const page = await open({ url: fleet.url, allowed: [/status of 40[13]/] });
  const logIn = async (name, password) => {
    await page.getByLabel('User').fill(name);
    await page.getByLabel('Password').fill(password);
    await page.keyboard.press('Enter');
  };
  await page.locator(id('login')).waitFor();
  await picture(page, 'login');
  await logIn('vera', 'wrong');
  await page.locator(id('login-fault')).waitFor();
  await logIn('vera', 'vera-has-a-password');
  await page.locator(id('logout')).getByText('vera').waitFor();
  await page.goto(`${fleet.url}/#/new`);
  await page.locator(id('scenarios')).waitFor();
  assert.equal(await page.locator(id('drop')).count(), 0, 'who only views uploads nothing');
  const refused = await page.evaluate(() => fetch('./api/v1/runs', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' }).then((answer) => answer.status));
  assert.equal(refused, 403);
  const cookies = await page.context().cookies();
  assert.ok(cookies.length > 0 && cookies.every((cookie) => cookie.httpOnly && cookie.sameSite !== 'None'), JSON.stringify(cookies));
  await page.locator(id('logout')).click();
  await page.locator(id('login')).waitFor();
  assert.equal(await page.evaluate(() => fetch('./api/v1/runs').then((answer) => answer.status)), 401, 'the session is over on the server too');
  await logIn('otto', 'otto-has-a-password');
  await page.goto(`${fleet.url}/#/new`);
  await page.locator(id('drop')).waitFor();
  assert.equal(await page.evaluate(() => fetch('./api/v1/workers/worker-1/drain', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' }).then((answer) => answer.status)), 403);
});
