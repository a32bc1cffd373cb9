// How a run looks: charts hold and paint what came, words can be read, nothing is pushed aside, all controls have names.
import assert from 'node:assert/strict';
import { pages, picture } from '../lib/browser.js';
import { COLUMNS, doc, point, row, Stage } from '../lib/stage.js';
import { charts, lowContrast, nameless, tooWide } from '../lib/look.js';
import { eventually } from '../lib/wait.js';

const SECONDS = 120;
const points = Array.from({ length: SECONDS }, (_, i) => point(i + 1));
const snapshot = (state = doc(40)) => ({ event: 'snapshot', id: '1-1', data: { doc: state, points: { columns: COLUMNS, rows: points }, logs: [] } });


const drawn = (page) => eventually('charts with points', async () => {
  const found = await charts(page);
  return found.rate?.t.length >= SECONDS && found.response ? found : null;
});

const column = (name) => points.map((values) => values[COLUMNS.indexOf(name)]);

pages('charts hold the values that came, and paint each series in its colour, in both themes', async ({ t, open }) => {
  const colours = {};
  for (const theme of ['light', 'dark']) {
    const stage = await new Stage(() => snapshot()).open(t);
    const page = await open({ url: stage.url, path: '#/runs/01STAGE', theme });
    const found = await drawn(page);
    assert.deepEqual(found.rate.t, column('t'));
    for (const [id, keys] of Object.entries({ rate: ['rps', 'fps'], response: ['response_p50', 'response_p95', 'response_p99'] })) {
      for (const key of keys) {
        const { values, there, painted, colour } = found[id].series[key];
        assert.deepEqual(values, column(key), `${id} ${key}`);
        assert.equal(there, SECONDS);
        // Where lines cross, the upper one hides the lower.
        assert.ok(painted >= 0.95 * there, `${theme}: ${key} is painted ${colour} at ${painted} of ${there} points`);
        (colours[key] ??= new Set()).add(colour);
      }
      const own = keys.map((key) => found[id].series[key].colour);
      assert.equal(new Set(own).size, keys.length, 'series can be told apart');
    }
    stage.say({ event: 'delta', id: '1-2', data: { patch: {}, points: [point(SECONDS).with(COLUMNS.indexOf('rps'), 5_000)], logs: [] } });
    const amended = await eventually('the amended second', async () => {
      const now = await charts(page);
      return now.rate.series.rps.values.at(-1) === 5_000 ? now : null;
    });
    assert.equal(amended.rate.t.length, SECONDS, 'a second that comes again is no new one');
    assert.ok(amended.rate.series.rps.painted >= 0.95 * SECONDS, 'and the scale follows it');
  }
  for (const [key, set] of Object.entries(colours)) assert.equal(set.size, 2, `${key} has a colour for each theme`);
});

for (const [theme, lang, width] of [['light', 'en', 1280], ['dark', 'zh', 1280], ['light', 'zh', 360], ['dark', 'en', 360]]) {
  pages(`a run reads well: ${theme}, ${lang}, ${width} px wide`, async ({ t, open }) => {
    const hard = doc(40, {
      losses: [{ worker: 'w-9', at_seconds: 40, share: 0.5, moved: true, served_seconds: 44, returned_seconds: null, unmeasured_seconds: 1 }],
      thresholds: { 0: { text: 'http_req_duration p(95) < 50ms', state: 'broken', value: 80, broken_since_seconds: 30, abort_after_seconds: null } },
      errors: { e: { origin: 'response', code: '500', message: 'status 500', count: 12, first_seconds: 3, last_seconds: 60, detail: '' } },
      generator: { cpu: 0.97, cpu_peak: 0.99, loop_lag_p99_ms: 40, start_lag_p99_ms: 60, saturated: 'cpu', saturated_seconds: 20, first_reason: 'cpu' },
      workers_lost: 1,
    });
    hard.run.rows['GET long'] = row('GET', `/a-very-long-name-without-a-break/${'x'.repeat(200)}`, 1);
    const stage = await new Stage(() => snapshot(hard)).open(t);
    const page = await open({ url: stage.url, path: '#/runs/01STAGE', theme, lang, width });
    await drawn(page);
    for (const tab of ['statistics', 'failures', 'checks', 'metrics', 'tasks', 'workers', 'logs', 'details']) {
      await page.locator(`[data-testid=tab-${tab}]`).click();
      // Panels are fetched when they are opened.
      await page.waitForFunction(() => document.getElementById('tab-panel')?.textContent.trim());
      assert.deepEqual(await crooked(page), [], `columns, ${tab}`);
      assert.deepEqual(await lowContrast(page), [], `contrast, ${tab}`);
      assert.deepEqual(await tooWide(page), [], `room, ${tab}`);
      assert.deepEqual(await nameless(page), [], `names, ${tab}`);
    }
    const language = await page.evaluate(() => document.documentElement.lang);
    assert.match(language, lang === 'zh' ? /^zh/ : /^en/);
    await picture(page, `run-${theme}-${lang}-${width}`, { fullPage: true });
  });
}

/** Cells of a table's first row that do not stand below their heading. */
const crooked = (page) =>
  page.evaluate(() =>
    [...document.querySelectorAll('#tab-panel tbody tr:first-child')].flatMap((row) => {
      const headings = row.closest('table').querySelectorAll('thead th');
      return [...row.children].filter((cell, n) => Math.abs(cell.getBoundingClientRect().left - headings[n].getBoundingClientRect().left) > 1).map((cell) => cell.textContent);
    }),
  );

pages('a threshold that was broken and holds again stays marked after a reload', async ({ t, open }) => {
  const threshold = 'http_req_duration p(95) < 50ms';
  const state = doc(3, {
    thresholds: { 0: { text: threshold, state: 'ok', value: 20, broken_since_seconds: null, abort_after_seconds: null } },
    breaches: [{ threshold, at_seconds: 30, until_seconds: 55 }, { threshold, at_seconds: 80, until_seconds: 85 }],
  });
  const stage = await new Stage(() => snapshot(state)).open(t);
  const page = await open({ url: stage.url, path: '#/runs/01STAGE' });
  for (let n = 0; n < 2; n += 1) {
    await drawn(page);
    const marks = await page.evaluate(() => document.querySelector('[data-testid=charts]').charts.marks.map(({ t: at, kind }) => [at, kind]));
    assert.deepEqual(marks.filter(([, kind]) => kind === 'bad'), [[30, 'bad'], [80, 'bad']]);
    await page.locator('[data-testid=tab-details]').click();
    const events = page.locator('[data-testid=notes] li');
    await events.filter({ hasText: 'until 0:55' }).waitFor();
    assert.equal(await events.filter({ hasText: threshold }).count(), 2);
    await page.reload();
  }
});

const values = (page, chart) =>
  page.locator(`[data-testid=chart-${chart}] .chip`).evaluateAll((chips) => Object.fromEntries(chips.map((chip) => [chip.dataset.series, chip.querySelector('.chip-value').textContent])));
const heading = (page, chart) => page.locator(`[data-testid=chart-${chart}] .chart-time`).innerText();

pages('legends say the last second while a run goes on, the whole run once it is over, and what is under the cursor', async ({ t, open }) => {
  const stage = await new Stage(() => snapshot()).open(t);
  const page = await open({ url: stage.url, path: '#/runs/01STAGE' });
  await drawn(page);
  assert.equal((await values(page, 'rate')).rps, '1,000');
  assert.equal(await heading(page, 'rate'), '');
  // The last second of a run has hardly any requests left.
  const last = point(SECONDS + 1).map((value, i) => (['rps', 'users', 'response_p95'].includes(COLUMNS[i]) ? 1 : value));
  stage.say({ event: 'delta', id: '1-2', data: { patch: { run: { state: 'finished', ended: { reason: 'completed' } } }, points: [last], logs: [] } });
  await eventually('legends of the whole run', async () => (await heading(page, 'rate')) === 'Whole run');
  assert.deepEqual([(await values(page, 'rate')).rps, (await values(page, 'users')).users], ['10.5', '50']);
  const heights = () => page.locator('.chart-head').evaluateAll((heads) => heads.map((head) => head.clientHeight));
  const labelled = await heights();
  await page.locator('.chart-time').evaluateAll((times) => times.forEach((time) => (time.style.display = 'none')));
  assert.deepEqual(labelled, await heights(), 'the words push no legend to another line');
  await page.locator('.chart-time').evaluateAll((times) => times.forEach((time) => (time.style.display = '')));
  // The total's, as `row('', 'Aggregated', 5)` has them.
  assert.equal((await values(page, 'response')).response_p95, '75.0 ms');
  await page.locator('[data-testid=chart-rate] .chart-body').focus();
  await page.keyboard.press('ArrowLeft');
  assert.deepEqual([await page.locator('[data-testid=chart-rate] .chart-second').innerText(), (await values(page, 'rate')).rps], ['2:00', '1,000']);
});

pages('what happened is said beside the cursor, on the chart that is pointed at, and nothing moves', async ({ t, open }) => {
  const long = `worker \`w-9\` is lost: ${'nothing heard for 3s; '.repeat(8)}`;
  const hard = doc(3, {
    losses: [{ worker: 'w-9', at_seconds: 40, share: 0.5, moved: true, served_seconds: 44, returned_seconds: null, unmeasured_seconds: 1 }],
    notes: [{ at_seconds: 40, kind: 'warning', message: long }, { at_seconds: 100, kind: 'info', message: 'another master leads' }],
  });
  const stage = await new Stage(() => snapshot(hard)).open(t);
  for (const width of [1280, 360]) {
    const page = await open({ url: stage.url, path: '#/runs/01STAGE', width });
    await drawn(page);
    const places = () => page.locator('.chart').evaluateAll((all) => all.map((one) => [one.querySelector('.chart-body').offsetTop, one.clientHeight]));
    const before = await places();
    const captions = () => page.locator('.chart-caption:visible').evaluateAll((all) => all.map((one) => [...one.children].map((line) => [line.className, line.textContent])));
    const over = await page.locator('[data-testid=chart-rate] .u-over').boundingBox();
    const point = (second) => page.mouse.move(over.x + ((second - 1) / (SECONDS - 1)) * over.width, over.y + over.height / 2);
    await point(40);
    assert.deepEqual(await captions(), [[['bad', 'lost w-9'], ['warning', long]]]);
    assert.deepEqual(await places(), before, 'nothing moves');
    const seconds = await page.locator('.chart-second:visible').allInnerTexts();
    // Charts that nobody scrolled to are not drawn yet.
    assert.ok(seconds.length >= 2 && seconds.every((second) => second === '0:40'), `${seconds}`);
    assert.deepEqual(await tooWide(page), []);
    await picture(page, `marks-${width}`);
    await point(70);
    assert.deepEqual(await captions(), []);
    await point(100);
    assert.deepEqual(await captions(), [[['info', 'another master leads']]]);
    await page.mouse.move(0, 0);
    await page.locator('[data-testid=chart-rate] .chart-body').focus();
    await page.keyboard.press('ArrowLeft');
    assert.match(await page.locator('[data-testid=chart-rate] .chart-heard').innerText(), /^1:5\d, Requests [\d,]+, Failures \d/);
  }
});

pages('a stretch that is dragged over is shown on all charts, a double click shows all again', async ({ t, open }) => {
  const stage = await new Stage(() => snapshot()).open(t);
  const page = await open({ url: stage.url, path: '#/runs/01STAGE' });
  await drawn(page);
  const shown = () => page.evaluate(() => document.querySelector('[data-testid=charts]').charts.charts.map(({ plot }) => [plot.scales.x.min, plot.scales.x.max].map(Math.round)));
  const all = await shown();
  assert.ok(all.every(([from, to]) => from === 1 && to === SECONDS), `${all}`);
  const { x, y, width } = await page.locator('[data-testid=chart-response] .u-over').boundingBox();
  const at = (second) => x + ((second - 1) / (SECONDS - 1)) * width;
  await page.mouse.move(at(31), y + 20);
  await page.mouse.down();
  await page.mouse.move(at(61), y + 40, { steps: 4 });
  await page.mouse.up();
  await page.locator('[data-testid=zoom-reset]').waitFor();
  for (const [from, to] of await shown()) assert.ok(Math.abs(from - 31) <= 1 && Math.abs(to - 61) <= 1, `${from} to ${to}`);
  stage.say({ event: 'delta', id: '1-2', data: { patch: {}, points: [point(SECONDS + 1)], logs: [] } });
  await eventually('a new second', async () => (await charts(page)).rate.t.length === SECONDS + 1);
  assert.ok((await shown()).every(([, to]) => to < 65), 'it stays while the run goes on');
  await page.mouse.dblclick(at(40), y + 20);
  await page.locator('[data-testid=zoom-reset]').waitFor({ state: 'detached' });
  assert.ok((await shown()).every(([from, to]) => from === 1 && to === SECONDS + 1));
  await page.locator('[data-testid=chart-rate] .chart-body').focus();
  await page.keyboard.press('+');
  await page.locator('[data-testid=zoom-reset]').click();
  assert.ok((await shown()).every(([from]) => from === 1));
});

pages('a threshold without data says so, and has failed once the run is over', async ({ t, open }) => {
  const text = 'http_req_duration{name=/nowhere} p(95) < 50ms';
  const none = { text, state: 'no-data', value: null, broken_since_seconds: null, abort_after_seconds: null };
  const stage = await new Stage(() => snapshot(doc(3, { thresholds: { 0: none } }))).open(t);
  const page = await open({ url: stage.url, path: '#/runs/01STAGE' });
  await drawn(page);
  const line = page.locator('[data-testid=thresholds] li');
  assert.equal(await line.locator('b').innerText(), 'no data');
  await page.locator('[data-testid=tab-details]').click();
  await page.locator('[data-testid=threshold-facts]').getByText('no data').waitFor();
  assert.equal(await line.getAttribute('class'), 'no-data');
  stage.say({ event: 'delta', id: '1-2', data: { patch: { run: { state: 'finished', passed: false, ended: { reason: 'completed' } } }, points: [], logs: [] } });
  await line.getByText('without data it is not met').waitFor();
  assert.equal(await line.getAttribute('class'), 'broken');
});

pages('a table that is wider than the screen says that it goes on to the right', async ({ t, open }) => {
  const stage = await new Stage(() => snapshot()).open(t);
  const page = await open({ url: stage.url, path: '#/runs/01STAGE', width: 360 });
  await drawn(page);
  const more = page.locator('[data-testid=table-requests] .more-right');
  await more.waitFor();
  await picture(page, 'table-360', { fullPage: true });
  await page.locator('[data-testid=table-requests] .table-box').evaluate((box) => (box.scrollLeft = box.scrollWidth));
  await more.waitFor({ state: 'hidden' });
  await page.setViewportSize({ width: 1280, height: 900 });
  await more.waitFor({ state: 'hidden' });
});

pages('the view of the last seconds has counts, rates and times of these seconds, by name and for all', async ({ t, open }) => {
  const stage = await new Stage(() => snapshot()).open(t);
  const page = await open({ url: stage.url, path: '#/runs/01STAGE' });
  await drawn(page);
  const line = (row) => page.locator(`[data-testid=table-requests] tbody tr${row}`).first().innerText();
  const cells = async (row) => (await line(row)).split(/\s+/);
  const [whole, all] = [await cells(':not(.pinned)'), await cells('.pinned')];
  await page.locator('[data-testid=window]').click();
  await page.locator('[data-testid=window][aria-pressed=true]').waitFor();
  await picture(page, 'last-seconds');
  const [last, allLast] = [await cells(':not(.pinned)'), await cells('.pinned')];
  assert.ok(last.includes('113') && last.includes('11.3'), `11.25 per second over 10 s: ${last}`);
  for (const [before, now] of [[whole, last], [all, allLast]]) {
    const changed = before.filter((cell, n) => cell !== now[n]);
    assert.ok(changed.length >= 8, `counts, rates and all times are others: ${before} and ${now}`);
  }
});

pages('a master that is out of service is told from one that stands by', async ({ t, open }) => {
  const state = doc(3);
  const master = (id, leads, draining) => ({ id, url: null, leads, draining });
  state.fleet.masters = [master('m-1', true, false), master('m-2', false, true), master('m-3', false, false)];
  for (const [lang, words] of Object.entries({ en: /out of service/, zh: /已停止服务/ })) {
    const stage = await new Stage(() => snapshot(state)).open(t);
    const page = await open({ url: stage.url, path: '#/workers', lang, theme: lang === 'zh' ? 'dark' : 'light' });
    const masters = page.locator('[data-testid=masters] li');
    await masters.filter({ hasText: 'm-2' }).getByText(words).waitFor();
    assert.equal(await masters.filter({ hasText: words }).count(), 1);
    assert.deepEqual(await lowContrast(page), []);
    await picture(page, `masters-${lang}`);
  }
});

pages('names from scenarios and targets are text, whatever they hold', async ({ t, open }) => {
  const evil = '<img src=x onerror="window.hacked=1"><script>window.hacked=2</script>${7*7}{{7*7}}';
  const state = doc(0, { scenario: evil, target: 'javascript:window.hacked=3', errors: { e: { origin: evil, code: evil, message: evil, count: 1, first_seconds: 1, last_seconds: 1, detail: evil } }, notes: [{ at_seconds: 5, kind: 'warning', message: evil }] });
  state.run.rows = { [evil]: row(evil, evil, 1), __proto__x: row('GET', '__proto__', 2) };
  state.fleet.leader = evil;
  const stage = await new Stage(() => snapshot(state)).open(t);
  const page = await open({ url: stage.url, path: '#/runs/01STAGE' });
  await drawn(page);
  for (const tab of ['statistics', 'failures', 'details']) {
    await page.locator(`[data-testid=tab-${tab}]`).click();
    await page.getByText('window.hacked=2').first().waitFor();
  }
  assert.equal(await page.evaluate(() => window.hacked), undefined);
  assert.equal(await page.locator('#app img, #app script, #app a[href^="javascript:"]').count(), 0);
});
