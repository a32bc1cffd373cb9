// A fleet that asks who one is, and how one says so.
import { execFileSync } from 'node:child_process';
import { Fleet, LOADHOST } from './fleet.js';

/** A fleet with a login for one of each role, and what changes its users. @param {import('node:test').TestContext} t @param {string[]} [masterArgs] */
export async function guarded(t, masterArgs = []) {
  const fleet = new Fleet();
  t.after(() => fleet.end());
  const users = `${fleet.folder}/users.toml`;
  const change = (command, args, input = '') => execFileSync(LOADHOST, ['user', command, ...args, '--web-users', users], { input, cwd: fleet.folder, encoding: 'utf8', stdio: 'pipe' });
  for (const [name, role] of [['vera', 'view'], ['otto', 'operate'], ['ada', 'admin']]) change('add', [name, '--role', role, '--password-stdin'], `${name}-has-a-password\n`);
  const [token] = change('token', ['ci', '--role', 'operate']).match(/lh_\S+/);
  await fleet.begin({ masters: 1, workers: 1, masterArgs: ['--web-users', users, ...masterArgs], shopArgs: [] });
  return { fleet, change, bearer: { authorization: `Bearer ${token}` } };
}

/** @param {import('playwright-core').Page} page @param {string} name */
export async function logIn(page, name, password = `${name}-has-a-password`) {
  await page.getByLabel('User').fill(name);
  await page.getByLabel('Password').fill(password);
  await page.keyboard.press('Enter');
}
