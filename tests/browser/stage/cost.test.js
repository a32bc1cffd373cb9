// What the page costs: bytes, the first paint, a tick with 500 names and an hour of data, memory, 10,000 names.
import assert from 'node:assert/strict';
import { pages, picture } from '../lib/browser.js';
import { COLUMNS, doc, point, row, Stage } from '../lib/stage.js';
import { eventually } from '../lib/wait.js';
import { gzipSync } from 'node:zlib';
import { sent } from '../lib/assets.js';

const HOUR = 3_600;

/** A stage with a run of so many names that has gone on for an hour. */
async function staged(t, names) {
  const rows = Array.from({ length: HOUR }, (_, i) => point(i + 1));
  return new Stage(() => ({ event: 'snapshot', id: '1-0', data: { doc: doc(names), points: { columns: COLUMNS, rows }, logs: [] } })).open(t);
}

/** A second later: every row has moved. */
function tick(names, n) {
  const rows = Object.fromEntries(Array.from({ length: names }, (_, i) => [`GET /item/${i}`, { requests: 2_000 + n * 10 + i, rps: 10 + (n % 10), response_time_ms: { p95: 60 + ((n + i) % 40) } }]));
  return { event: 'delta', id: `1-${n}`, data: { patch: { run: { elapsed_seconds: 10 + n, rows, total: { requests: 5_000 + n } } }, points: [point(HOUR + n)], logs: [] } };
}

async function metrics(session) {
  const { metrics: list } = await session.send('Performance.getMetrics');
  return Object.fromEntries(list.map(({ name, value }) => [name, value]));
}

/** Looking at the drawing itself would cost more than what is measured. */
const last = (page) => page.evaluate(() => document.querySelector('[data-testid=charts]')?.charts?.charts[0].plot?.data[0].at(-1));
const seen = (page, t) => eventually(`the point of second ${t}`, async () => (await last(page)) === t);

/** Bytes, gzipped file by file, that a browser fetches to show a view for the first time. */
const BUDGET = 80 * 1024;

pages('whatever is opened first, a browser fetches at most 80 KB', async ({ t, open }) => {
  for (const [name, path] of Object.entries({ home: '', 'a run': '#/runs/01STAGE', 'new run': '#/new', workers: '#/workers', compare: '#/runs/01STAGE/compare/01OTHER' })) {
    const stage = await staged(t, 40);
    const page = await open({ url: stage.url, path, allowed: [/status of 404/] });
    if (name === 'a run') await seen(page, HOUR);
    await page.waitForFunction(() => document.querySelector('main')?.textContent.trim());
    await page.waitForLoadState('load');
    const files = stage.asked.filter((file) => file !== null);
    const bytes = files.map((file) => ({ file, bytes: gzipSync(sent(file), { level: 9 }).length }));
    const sum = bytes.reduce((total, one) => total + one.bytes, 0);
    t.diagnostic(`${name}: ${files.length} files, ${(sum / 1024).toFixed(1)} KB`);
    const largest = bytes.sort((a, b) => b.bytes - a.bytes).slice(0, 12).map((one) => `${one.file} ${one.bytes}`);
    assert.ok(sum <= BUDGET, `${name}: ${sum} bytes of ${BUDGET}; ${largest.join(', ')}`);
  }
});

pages('first paint, and a tick with 500 names and an hour of data', async ({ t, open }) => {
  const stage = await staged(t, 500);
  const page = await open({ url: stage.url, path: '#/runs/01STAGE' });
  await seen(page, HOUR);
  const paint = await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime);
  t.diagnostic(`first contentful paint after ${paint.toFixed(0)} ms`);
  const session = await page.context().newCDPSession(page);
  // By the clock of the thread: what other processes take does not count.
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  const count = 30;
  const begun = await metrics(session);
  for (let n = 1; n <= count; n += 1) {
    stage.say(tick(500, n));
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
  await seen(page, HOUR + count);
  const done = await metrics(session);
  const per = (name) => ((done[name] - begun[name]) / count) * 1_000;
  t.diagnostic(`a tick: script ${per('ScriptDuration').toFixed(1)}, style ${per('RecalcStyleDuration').toFixed(1)}, layout ${per('LayoutDuration').toFixed(1)}, all ${per('TaskDuration').toFixed(1)} ms`);
  assert.ok(per('ScriptDuration') <= 16, `a tick costs ${per('ScriptDuration')} ms of scripting`);
});

pages('memory stays flat over many ticks', async ({ t, open }) => {
  const stage = await staged(t, 200);
  const page = await open({ url: stage.url, path: '#/runs/01STAGE' });
  await seen(page, HOUR);
  const session = await page.context().newCDPSession(page);
  const used = async () => {
    await session.send('HeapProfiler.collectGarbage');
    const { usedSize } = await session.send('Runtime.getHeapUsage');
    const nodes = await page.evaluate(() => document.getElementsByTagName('*').length);
    return { megabytes: usedSize / 1e6, nodes };
  };
  const run = async (from, to) => {
    for (let n = from; n <= to; n += 1) stage.say(tick(200, n));
    await seen(page, HOUR + to);
  };
  await run(1, 50);
  const early = await used();
  await run(51, 650);
  const late = await used();
  t.diagnostic(`heap ${early.megabytes.toFixed(2)} → ${late.megabytes.toFixed(2)} MB, ${early.nodes} → ${late.nodes} elements after 600 ticks`);
  // A point is 18 numbers of 8 bytes; arrays grow by half. Whatever is more than that is held by mistake.
  assert.ok(late.megabytes - early.megabytes < 1.5, `${late.megabytes - early.megabytes} MB more`);
  assert.ok(Math.abs(late.nodes - early.nodes) < 50);
});

pages('10,000 names stay usable: only what is in view is in the document, filter and sort answer', async ({ t, open }) => {
  const rows = Array.from({ length: 60 }, (_, i) => point(i + 1));
  const state = doc(1_000, { rows_omitted: 9_000 });
  state.run.rows.other = row('', 'other', 3);
  const stage = await new Stage(() => ({ event: 'snapshot', id: '1-0', data: { doc: state, points: { columns: COLUMNS, rows }, logs: [] } })).open(t);
  const page = await open({ url: stage.url, path: '#/runs/01STAGE' });
  await seen(page, 60);
  const nodes = await page.evaluate(() => document.getElementsByTagName('*').length);
  t.diagnostic(`${nodes} elements`);
  assert.ok(nodes < 3_000, `${nodes} elements`);
  await page.getByText(/9,000 more names/).waitFor();
  await page.getByRole('searchbox').or(page.getByPlaceholder('Filter')).first().fill('/item/777');
  await page.getByText('/item/777', { exact: true }).waitFor();
  assert.equal(await page.getByText('/item/1', { exact: true }).count(), 0);
  await picture(page, 'many-names');
});
