// Everything below a base path, behind a login: as a proxy that serves other things as well shows it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pages } from '../lib/browser.js';
import { scenario } from '../lib/fleet.js';
import { guarded, logIn } from '../lib/guarded.js';
import { charts, id, state } from '../lib/look.js';
import { eventually } from '../lib/wait.js';

pages('below a base path: login, upload, start, live charts, report and logout', async ({ t, open }) => {
  const { fleet } = await guarded(t, ['--web-base-path', '/tools/load']);
  const page = await open({ url: `${fleet.url}/tools/load`, allowed: [/status of 401/] });
  const asked = [];
  page.on('request', (request) => asked.push(new URL(request.url()).pathname));
  await page.reload(); // its first load is heard as well

  await logIn(page, 'otto');
  await page.locator(id('logout')).waitFor();
  const cookies = await page.context().cookies();
  assert.ok(cookies.length > 0 && cookies.every((cookie) => cookie.path === '/tools/load'), JSON.stringify(cookies));

  await page.locator(id('start-new')).click();
  await page.locator(id('file')).setInputFiles(scenario('http_get'));
  await page.locator(id('field-host')).fill(fleet.shop);
  await page.locator(id('model-users')).click();
  await page.locator(id('field-users')).fill('2');
  await page.locator(`${id('start')}:enabled`).click();
  await state(page, 'running');
  await eventually('live charts', async () => ((await charts(page)).rate?.t.length ?? 0) >= 3);
  await page.locator(id('stop')).click();
  await page.locator(id('confirm-do')).click();
  await state(page, 'finished');
  await page.locator(id('downloads')).click();
  const [report] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: /Report/ }).click()]);
  const file = join(fleet.folder, 'report.html');
  await report.saveAs(file);
  assert.match(readFileSync(file, 'utf8'), /^<!doctype html>/i);

  await page.locator(id('logout')).click();
  await page.locator(id('login')).waitFor();
  assert.deepEqual(asked.filter((path) => !path.startsWith('/tools/load/')), [], 'nothing was asked for above the base path');
});
