// What a user does, on a real fleet: upload, form, start, watch, change, stop, report, compare.
import { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pages, picture } from '../lib/browser.js';
import { component, Fleet, scenario } from '../lib/fleet.js';
import { charts, id, lowContrast, nameless, state, tooWide } from '../lib/look.js';
import { eventually } from '../lib/wait.js';

let fleet;
before(async () => (fleet = await Fleet.start({ workers: 1 })));
after(async () => fleet?.end());

const upload = (page, file) => page.locator(id('file')).setInputFiles(file);
const runOf = (page) => page.locator(id('run')).getAttribute('data-run');

/** Fills the form for the demo shop and starts; the run's id. */
async function start(page, { users = 5, time = '', note = '' } = {}) {
  await page.locator(id('field-host')).fill(fleet.shop);
  await page.locator(id('model-users')).click();
  await page.locator(id('field-users')).fill(String(users));
  await page.locator(id('field-run-time')).fill(time);
  if (note) await page.locator(id('run-note')).fill(note);
  await page.locator(`${id('start')}:enabled`).click();
  await page.waitForURL(/#\/runs\/\w+/);
  await state(page, 'running');
  return runOf(page);
}

/** Seconds that the chart of requests holds. */
const seconds = async (page) => (await charts(page)).rate?.t.length ?? 0;

/** Every value that the page holds of a run is what the API says of it. */
async function sameAsApi(page, run) {
  const { body } = await fleet.api('GET', `runs/${run}/points`);
  const at = (name) => body.columns.indexOf(name);
  const told = new Map(body.rows.map((values) => [values[at('t')], values]));
  const shown = await charts(page);
  let compared = 0;
  for (const [chart, keys] of Object.entries({ rate: ['rps', 'fps'], response: ['response_p50', 'response_p95', 'response_p99'], users: ['users'] })) {
    // The last seconds may have been amended between the two looks.
    shown[chart].t.slice(0, -3).forEach((t, i) => {
      for (const key of keys) {
        const value = told.get(t)?.[at(key)];
        assert.equal(shown[chart].series[key].values[i], typeof value === 'number' ? value : null, `${key} at ${t} s`);
        compared += 1;
      }
    });
  }
  assert.ok(compared >= 12, `${compared} values were compared`);
  return shown;
}

/** No run goes on, whatever became of the test before. */
async function idle() {
  await fleet.api('POST', 'runs/current/stop', { mode: 'now' });
  await eventually('a fleet without a run', async () => (await fleet.api('GET', 'runs')).body.runs.every((run) => run.state === 'finished'));
}

let first;

pages('upload, form, start, watch, change, stop, report', async ({ t, open }) => {
  const page = await open({ url: fleet.url });
  await page.locator(id('start-new')).click();
  await upload(page, scenario('checkout'));
  await page.locator(id('form')).getByRole('heading', { name: 'checkout' }).waitFor();
  const card = page.locator(id('scenario-card'));
  for (const known of [/loadhost-sdk \(Rust\)/, /MiB/, 'Shopper 100%', 'password: string', 'pause: duration = 500ms']) await card.getByText(known).waitFor();

  await page.locator(id('field-host')).fill('no address');
  await page.locator(id('field-users')).fill('0');
  await page.locator('.field .fault').first().waitFor();
  assert.ok(await page.locator(id('start')).isDisabled(), 'what is wrong cannot be started');
  await page.locator(id('field-host')).fill(fleet.shop);
  await page.locator(id('model-stages')).click();
  await page.locator(id('stages')).locator('input').nth(0).fill('10s');
  await page.locator(id('stages')).locator('input').nth(1).fill('40');
  await page.locator(id('curve')).getByText('up to 100 users, 2m 25s').waitFor();
  // The plan follows what is typed after a moment.
  await eventually('a preview of 0, 40, 100 and 0 users', async () => {
    const path = await page.locator(`${id('curve')} path.line`).getAttribute('d');
    const [zero, forty, hundred, end, more] = [...path.matchAll(/[ML]([\d.]+) ([\d.]+)/g)].map(([, x, y]) => [Number(x), Number(y)]);
    const height = (zero[1] - forty[1]) / (zero[1] - hundred[1]);
    const width = (forty[0] - zero[0]) / (end[0] - zero[0]);
    return !more && Math.abs(height - 40 / 100) < 0.01 && Math.abs(width - 10 / 145) < 0.01;
  }, 10_000);
  await picture(page, 'new-run', { fullPage: true });
  assert.match((await page.locator(id('command')).innerText()).trim(), /^loadhost start checkout\.wasm --host http:\S+ --stages '10s->40, 2m->100, 15s->0'$/);

  first = await start(page, { users: 4, note: 'first try' });
  await eventually('six seconds on the charts', async () => (await seconds(page)) >= 6);
  const earlier = await seconds(page);
  await eventually('the charts move', async () => (await seconds(page)) > earlier);
  const shown = await sameAsApi(page, first);
  const { rps } = shown.rate.series;
  assert.ok(rps.values.some((value) => value > 1), 'requests were made');
  assert.ok(rps.painted >= 0.9 * rps.there, `requests are painted ${rps.colour} at ${rps.painted} of ${rps.there} points`);
  const { body: now } = await fleet.api('GET', `runs/${first}`);
  assert.equal(now.users, 4);
  await page.locator(id('status-users')).getByText('4', { exact: true }).waitFor();
  for (const name of ['/login', '/checkout']) await page.getByRole('tabpanel').getByText(name).first().waitFor();
  await picture(page, 'run-live', { fullPage: true });

  await page.locator(id('change')).click();
  await page.getByRole('dialog').getByLabel('Users', { exact: true }).fill('9');
  await page.locator(id('change-do')).click();
  await page.locator(id('status-users')).getByText('9', { exact: true }).waitFor({ timeout: 20_000 });
  await eventually('nine users on the chart', async () => (await charts(page)).users.series.users.values.at(-1) === 9);

  await page.reload();
  await eventually('the whole run after a reload', async () => {
    const found = await charts(page);
    return found.rate?.t[0] <= 2 && found.rate.t.length > earlier;
  });

  await page.locator(id('stop')).click();
  await page.locator(id('confirm-do')).click();
  await state(page, 'finished');
  await page.getByText('stopped by hand').first().waitFor();
  await page.locator(id('downloads')).click();
  await picture(page, 'run-over', { fullPage: true });
  const [report] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: /Report/ }).click()]);
  const file = join(fleet.folder, 'report.html');
  await report.saveAs(file);
  const bytes = readFileSync(file);
  t.diagnostic(`a report of ${bytes.length} bytes`);
  assert.ok(bytes.length <= 300_000, `${bytes.length} bytes`);
  assert.doesNotMatch(bytes.toString('utf8'), /(?:src|href)=["']https?:|url\(\s*["']?https?:|@import/i, 'the report asks nobody for anything');
  for (const [name, begins] of [['results.json', '{'], ['junit.xml', '<?xml'], ['stats.csv', 'Type,Name,Request Count'], ['stats_history.csv', 'Timestamp,User Count'], ['failures.csv', 'Method,Name,Error'], ['exceptions.csv', 'Count,Message']]) {
    const { status, body } = await fleet.api('GET', `runs/${first}/${name}`);
    assert.equal(status, 200, name);
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    assert.ok(text.startsWith(begins), `${name} begins with ${text.slice(0, 60)}`);
  }
});

pages('the report is read offline, with its charts', async ({ open }) => {
  const { body } = await fleet.api('GET', `runs/${first}/report.html`);
  writeFileSync(join(fleet.folder, 'offline.html'), body);
  const page = await open({ url: 'http://127.0.0.1:1', file: join(fleet.folder, 'offline.html') });
  await page.locator('canvas').first().waitFor();
  await page.getByText('/checkout').first().waitFor();
  const { body: told } = await fleet.api('GET', `runs/${first}`);
  const legend = page.locator('[data-testid=chart-rate]');
  await legend.locator('.chart-time').getByText('Whole run').waitFor();
  assert.ok(Math.abs(Number(await legend.locator('[data-series=rps] .chip-value').innerText()) - told.total.rps) < 0.1, 'its legends say the whole run');
  const painted = await page.evaluate(() => {
    const canvas = document.querySelector('canvas');
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    const colours = new Map();
    for (let i = 0; i < data.length; i += 4) if (data[i + 3] === 255) colours.set(data.slice(i, i + 3).join(), (colours.get(data.slice(i, i + 3).join()) ?? 0) + 1);
    return [...colours].filter(([, n]) => n > 100).map(([colour]) => colour);
  });
  const saturated = painted.filter((colour) => { const [r, g, b] = colour.split(',').map(Number); return Math.max(r, g, b) - Math.min(r, g, b) > 60; });
  assert.ok(saturated.length >= 1, `lines in the colours of series; found only ${painted.join(' ')}`);
  assert.deepEqual(await tooWide(page), []);
  await picture(page, 'report', { fullPage: true });
});

pages('two runs laid over each other', async ({ open }) => {
  await idle();
  const page = await open({ url: fleet.url, path: `#/new` });
  await page.getByRole('radio').first().check();
  const second = await start(page, { users: 6, time: '6s' });
  await state(page, 'finished');
  await page.goto(`${fleet.url}/#/`);
  for (const run of [first, second]) await page.locator(id(`pick-${run}`)).check();
  await picture(page, 'home', { fullPage: true });
  await page.locator(id('compare-picked')).click();
  await page.locator(id('compare-view')).waitFor();
  await page.locator(id('verdict')).waitFor();
  await page.locator(id('table-compare')).getByText('/checkout').first().waitFor();
  assert.match(page.url(), new RegExp(`${second}/compare/${first}`), 'the newer is compared with the older');
  const { body } = await fleet.api('GET', `runs/${second}/compare/${first}`);
  const { body: ran } = await fleet.api('GET', `runs/${second}`);
  await page.locator('[data-testid=chart-rate] .chart-time').getByText('Whole run').waitFor();
  const said = await page.locator('[data-testid=chart-rate] [data-series=rps] .chip-value').innerText();
  assert.ok(Math.abs(Number(said) - ran.total.rps) < 0.1, `the legend says ${said} of ${ran.total.rps} requests per second`);
  assert.ok(body.rows.some((row) => row.name === 'Aggregated' || row.name === ''), 'there is a row of all');
  assert.deepEqual(await lowContrast(page), []);
  assert.deepEqual(await nameless(page), []);
  await picture(page, 'compare', { fullPage: true });
});

pages('what cannot be a scenario is refused in words, whatever its name', async ({ open }) => {
  const page = await open({ url: fleet.url, path: '#/new', allowed: [/status of 4\d\d/] });
  const whole = component('checkout');
  const faulty = {
    'empty.wasm': [Buffer.alloc(0), /is empty/],
    'text.wasm': [Buffer.from('no component at all'), /text file.*give the `\.wasm` file/s],
    'cut.wasm': [Buffer.from(whole.subarray(0, whole.length / 2)), /malformed at byte \d+.*copy it again/s],
    'core.wasm': [Buffer.from('0061736d01000000', 'hex'), /core WebAssembly module.*wasm32-wasip2/s],
    'packed.wasm': [Buffer.from('504b030400000000', 'hex'), /zip archive.*unpack it/s],
    'newer.wasm': [Buffer.from(component('newer_contract')), /newer contract.*upgrade loadhost/s],
    'large.wasm': [Buffer.alloc(64 * 2 ** 20 + 1), /larger than 64 MiB.*make it smaller/s],
  };
  for (const [name, [buffer, words]] of Object.entries(faulty)) {
    // More than 50 MiB are not handed over by the driver, but by a file.
    await upload(page, buffer.length > 2 ** 25 ? fleet.file(name, buffer) : { name, mimeType: 'application/wasm', buffer });
    await page.locator(id('rejected')).getByText(`${name} was not taken`).waitFor();
    assert.match(await page.locator(`${id('rejected')} ${id('faults')}`).innerText(), words, name);
  }
  const hostile = '"><img src=x onerror=window.hacked=1>..\\..\\etc\\passwd.wasm';
  await upload(page, { name: hostile, mimeType: 'application/wasm', buffer: Buffer.from(component('other_world')) });
  await page.locator(id('rejected')).getByText('onerror=window.hacked=1').waitFor();
  await picture(page, 'refused', { fullPage: true });
  assert.equal(await page.evaluate(() => window.hacked), undefined);
  assert.equal(await page.locator('#app img').count(), 0);
  await upload(page, { name: 'ganz & gar <b>.wasm', mimeType: 'application/wasm', buffer: Buffer.from(component('http_get')) });
  await page.locator(id('form')).waitFor();
});

for (const [theme, lang, width] of [['dark', 'zh', 1280], ['light', 'en', 360]]) {
  pages(`every view reads well: ${theme}, ${lang}, ${width} px wide`, async ({ open }) => {
    const page = await open({ url: fleet.url, theme, lang, width });
    for (const view of ['', '#/new', '#/workers', `#/runs/${first}`]) {
      await page.goto(`${fleet.url}/${view}`);
      await page.waitForFunction(() => document.querySelector('main h1, main h2'));
      if (view === '#/new') {
        await page.getByRole('radio').first().check();
        await page.locator(id('start')).waitFor();
      }
      if (view.startsWith('#/runs')) await page.locator(`${id('charts')} canvas`).first().waitFor();
      assert.deepEqual(await lowContrast(page), [], `contrast at ${view}`);
      assert.deepEqual(await tooWide(page), [], `room at ${view}`);
      assert.deepEqual(await nameless(page), [], `names at ${view}`);
      await picture(page, `view-${view.replace(/\W+/g, '') || 'home'}-${theme}-${lang}-${width}`.replace(first, 'run'), { fullPage: true });
    }
  });
}

pages('by keyboard alone: from the form to the end of a run', async ({ open }) => {
  await idle();
  const page = await open({ url: fleet.url });
  await page.locator(id('start-new')).waitFor();
  await page.keyboard.type('gn');
  await page.locator(id('scenarios')).waitFor();
  /** Goes on by Tab until this has the focus, as somebody without a mouse does. */
  const reach = async (selector) => {
    for (let n = 0; n < 120; n += 1) {
      if (await page.evaluate((wanted) => document.activeElement?.matches(wanted), selector)) return;
      await page.keyboard.press('Tab');
    }
    throw new Error(`${selector} is not reached by Tab`);
  };
  await reach('[data-testid^="scenario-"]');
  await page.keyboard.press('Space');
  await page.locator(id('form')).waitFor();
  await reach(id('field-host'));
  await page.keyboard.press('Control+A');
  await page.keyboard.type(fleet.shop);
  await page.locator(`${id('start')}:enabled`).waitFor();
  await reach(id('start'));
  await page.keyboard.press('Enter');
  await state(page, 'running');
  await page.locator(id('stop')).waitFor();
  await page.keyboard.press('s');
  await page.getByRole('dialog').waitFor();
  const inside = await page.evaluate(() => document.querySelector('[role=dialog], dialog').contains(document.activeElement));
  assert.ok(inside, 'a dialog takes the focus');
  await page.keyboard.press('Escape');
  // Not only closed: the page hears of that a moment later.
  await page.locator('dialog').waitFor({ state: 'detached' });
  await page.keyboard.press('s');
  await page.getByRole('dialog').waitFor();
  await reach(id('confirm-do'));
  await page.keyboard.press('Enter');
  await state(page, 'finished');
});
