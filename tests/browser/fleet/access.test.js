// Who may do what: login, roles, and what the page then shows.
import assert from 'node:assert/strict';
import { pages, picture } from '../lib/browser.js';
import { component } from '../lib/fleet.js';
import { guarded, logIn } from '../lib/guarded.js';
import { id, state } from '../lib/look.js';
import { eventually } from '../lib/wait.js';

pages('login, roles and logout', async ({ t, open }) => {
  const { fleet } = await guarded(t);
  const anyone = await fleet.api('GET', 'runs');
  assert.equal(anyone.status, 401);
  assert.ok(anyone.body.code && anyone.body.message && anyone.body.hint, 'an error has code, message and hint');

  const page = await open({ url: fleet.url, allowed: [/status of 40[13]/] });
  await page.locator(id('login')).waitFor();
  await picture(page, 'login');
  await logIn(page, 'vera', 'wrong');
  await page.locator(id('login-fault')).waitFor();
  await logIn(page, 'vera');
  await page.locator(id('logout')).getByText('vera').waitFor();
  await page.goto(`${fleet.url}/#/new`);
  await page.locator(id('scenarios')).waitFor();
  assert.equal(await page.locator(id('drop')).count(), 0, 'who only views uploads nothing');
  await page.goto(`${fleet.url}/#/`);
  await page.locator(id('only-watch')).getByText('the role operate is needed').waitFor();
  assert.equal(await page.locator(id('start-new')).count(), 0, 'who only views starts nothing');
  const refused = await page.evaluate(() => fetch('./api/v1/runs', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' }).then((answer) => answer.status));
  assert.equal(refused, 403);
  const cookies = await page.context().cookies();
  assert.ok(cookies.length > 0 && cookies.every((cookie) => cookie.httpOnly && cookie.sameSite !== 'None'), JSON.stringify(cookies));
  await page.locator(id('logout')).click();
  await page.locator(id('login')).waitFor();
  assert.equal(await page.evaluate(() => fetch('./api/v1/runs').then((answer) => answer.status)), 401, 'the session is over on the server too');
  await logIn(page, 'otto');
  await page.goto(`${fleet.url}/#/new`);
  await page.locator(id('drop')).waitFor();
  assert.equal(await page.evaluate(() => fetch('./api/v1/workers/worker-1/drain', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' }).then((answer) => answer.status)), 403);
});

pages('a login that ends while its page is open is asked for again, and the page goes on where it was', async ({ t, open }) => {
  const { fleet, change, bearer } = await guarded(t);
  const { digest } = (await fleet.api('POST', 'scenarios?name=checkout.wasm', component('checkout'), bearer)).body;
  const { run } = (await fleet.api('POST', 'runs', { scenario: digest, settings: { host: fleet.shop, users: 2 } }, bearer)).body;
  const page = await open({ url: fleet.url, path: `#/runs/${run}`, allowed: [/status of 401/] });
  await logIn(page, 'vera');
  await state(page, 'running');
  for (const change of ['change', 'stop', 'reset', 'new-version', 'edit-note']) assert.equal(await page.locator(id(change)).count(), 0, `who only views has no ${change}`);
  change('remove', ['vera']);
  // The stream is all that it asks for by itself.
  await page.locator(id('session-over')).waitFor();
  await picture(page, 'session-over');
  assert.equal(await page.locator(id('run-state')).count(), 0, 'and shows nothing more');
  await logIn(page, 'otto');
  await state(page, 'running');
  await page.locator(id('stop')).waitFor();
});

pages('each change stands in the audit with who made it, and nothing of what was sent', async ({ t, open }) => {
  const { fleet, bearer } = await guarded(t);
  const page = await open({ url: fleet.url, allowed: [/status of 401/] });
  await logIn(page, 'ada');
  await page.locator(id('start-new')).waitFor();
  const { digest } = (await fleet.api('POST', 'scenarios?name=checkout.wasm', component('checkout'), bearer)).body;
  const asked = [];
  /** As the page does it: with its cookie. */
  const ask = async (method, path, body) => {
    const answer = await page.evaluate(
      async ([method, path, body]) => {
        const sent = await fetch(`./api/v1/${path}`, { method, headers: { 'content-type': path.startsWith('data-sets') ? 'text/csv' : 'application/json' }, body });
        return { status: sent.status, body: await sent.text() };
      },
      [method, path, typeof body === 'string' ? body : JSON.stringify(body ?? {})],
    );
    assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${answer.body}`);
    asked.push(`method=${method} path="/api/v1/${path.split('?')[0]}" status=${answer.status}`);
    return answer.body && JSON.parse(answer.body);
  };
  const { run } = await ask('POST', 'runs', { scenario: digest, settings: { host: fleet.shop, users: 2, params: { password: 'sesame-1' } } });
  await page.goto(`${fleet.url}/#/runs/${run}`);
  await state(page, 'running');
  await ask('POST', `runs/${run}/change`, { change: { users: { users: 3 } } });
  await ask('POST', `runs/${run}/reset`);
  await ask('PATCH', `runs/${run}`, { note: 'sesame-2' });
  await ask('POST', `runs/${run}/stop`, { mode: 'now' });
  await ask('POST', 'workers/worker-1/drain');
  await ask('DELETE', 'workers/worker-1/drain');
  const rows = await ask('POST', 'data-sets?name=sesame-3.csv', 'user,password\nann,sesame-4\n');
  await ask('DELETE', `data-sets/${rows.digest}`);
  await ask('DELETE', `scenarios/${digest}`);
  await state(page, 'finished');
  await ask('DELETE', `runs/${run}`);
  const of = (who) => fleet.masters[0].said.split('\n').filter((line) => line.includes(` audit: change who="${who}"`)).map((line) => line.slice(line.indexOf('method=')));
  await eventually('the last line', () => of('ada').length >= asked.length);
  assert.deepEqual(of('ada'), asked);
  assert.deepEqual(of('ci'), ['method=POST path="/api/v1/scenarios" status=201']);
  assert.doesNotMatch(fleet.masters[0].said, /sesame|has-a-password|lh_|loadhost=/);
});
