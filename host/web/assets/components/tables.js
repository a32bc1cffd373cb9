// The tables of a run: requests, failures, checks, groups, metrics, tasks, what is shared.
import { html, useMemo, useState } from '../ui.js';
import { t } from '../i18n.js';
import { bytes, clock, count, ms, NONE, percent, rate, short, span } from '../format.js';
import { Table } from './table.js';

/** @typedef {import('../types').Run} Run @typedef {import('../types').Row} Row @typedef {import('../types').Times} Times */

/** @type {Record<string, any[]>} */
const NOTHING = {};
/** @template T @param {Record<string, T> | T[] | undefined} all @returns {T[]} */
const list = (all) => (Array.isArray(all) ? all : Object.values(all ?? /** @type {any} */ (NOTHING)));

/** @param {string} key @param {string} label @param {(row: Row) => Times | null} of @param {keyof Times} which @param {boolean} [off] */
const timesColumn = (key, label, of, which, off = false) => ({
  key,
  label,
  off,
  value: (/** @type {Row} */ row) => of(row)?.[which] ?? null,
  show: (/** @type {Row} */ row) => ms(of(row)?.[which]),
});

/** @param {'window' | 'total'} over @returns {import('./table.js').Column<Row>[]} */
function requestColumns(over) {
  const response = (/** @type {Row} */ row) => row.response_time_ms;
  const service = (/** @type {Row} */ row) => row.service_time_ms;
  const current = over === 'window';
  return [
    {
      key: 'name',
      label: t('name'),
      text: true,
      grow: true,
      value: (row) => `${row.name} ${row.method}`,
      show: (row) =>
        html`${row.method && html`<span class="method">${row.method}</span>`}<span
            title=${row.name}>${row.method ? row.name : row.name === 'other' ? t('other_names') : t('all_requests')}</span>`,
    },
    { key: 'requests', label: t('requests'), value: (row) => row.requests, show: (row) => count(row.requests) },
    {
      key: 'failures',
      label: t('failures'),
      value: (row) => row.failures,
      show: (row) => count(row.failures),
      kind: (row) => (row.failures ? 'bad' : 'zero'),
    },
    {
      key: 'failed',
      label: t('failed_share'),
      value: (row) => share(row, current),
      show: (row) => percent(share(row, current)),
      kind: (row) => ((share(row, current) ?? 0) > 0 ? 'bad' : 'zero'),
    },
    {
      key: 'rps',
      label: t('per_second'),
      value: (row) => (current ? row.current_rps : row.rps),
      show: (row) => rate(current ? row.current_rps : row.rps),
    },
    {
      key: 'fps',
      label: t('failed_per_second'),
      off: true,
      value: (row) => (current ? row.current_fps : row.fps),
      show: (row) => rate(current ? row.current_fps : row.fps),
    },
    timesColumn('mean', t('mean_ms'), response, 'mean'),
    timesColumn('min', t('min_ms'), response, 'min', true),
    timesColumn('p50', 'p50', response, 'p50'),
    timesColumn('p90', 'p90', response, 'p90', true),
    timesColumn('p95', 'p95', response, 'p95'),
    timesColumn('p99', 'p99', response, 'p99'),
    timesColumn('p99_9', 'p99.9', response, 'p99_9', true),
    timesColumn('max', t('max_ms'), response, 'max'),
    timesColumn('service_p50', t('service_short', { p: 'p50' }), service, 'p50', true),
    timesColumn('service_p95', t('service_short', { p: 'p95' }), service, 'p95'),
    timesColumn('service_p99', t('service_short', { p: 'p99' }), service, 'p99', true),
    { key: 'body', label: t('mean_size'), off: true, value: (row) => row.mean_body_bytes, show: (row) => bytes(row.mean_body_bytes) },
    { key: 'received', label: t('received'), off: true, value: (row) => row.bytes_received, show: (row) => bytes(row.bytes_received) },
    {
      key: 'statuses',
      label: t('statuses'),
      off: true,
      text: true,
      value: (row) => Object.keys(row.statuses ?? {}).join(' '),
      show: (row) =>
        Object.entries(row.statuses ?? {})
          .map(([status, n]) => `${status === '0' ? t('no_answer') : status}: ${short(n)}`)
          .join(', '),
    },
  ];
}

/** @param {Row} row @param {boolean} current @returns {number | null} */
const share = (row, current) =>
  current ? (row.current_rps ? row.current_fps / row.current_rps : null) : row.requests ? row.failures / row.requests : null;

/** @param {{run: Run}} props @returns {import('../types').View} */
export function Requests({ run }) {
  const over = run.state === 'finished';
  const [wanted, setWanted] = useState(/** @type {'window' | 'total'} */ ('total'));
  const mode = over ? 'total' : wanted;
  const rows = useMemo(() => list(run.rows), [run.rows]);
  const tools =
    !over &&
    html`<div class="segmented" role="group" aria-label=${t('rates_over')}>
    <button type="button" aria-pressed=${mode === 'total'} onClick=${() => setWanted('total')}>${t('whole_run')}</button>
    <button type="button" aria-pressed=${mode === 'window'} onClick=${() => setWanted('window')}
        data-testid="window">${t('last_seconds', { n: run.window.seconds || 10 })}</button></div>`;
  const note =
    run.rows_omitted > 0 && html`<p class="note warn" data-testid="rows-omitted">${t('rows_omitted', { n: count(run.rows_omitted) })}</p>`;
  const pinned = mode === 'window' ? windowTotal(run) : run.total;
  return html`<${Table} id="requests" label=${t('statistics')} rows=${rows} columns=${requestColumns(mode)} sort="-requests"
    keyOf=${(/** @type {Row} */ row) => `${row.method} ${row.name}`} filter=${(/** @type {Row} */ row) => `${row.method} ${row.name}`}
        pinned=${pinned} tools=${tools} note=${note} />`;
}

/** All requests of the last seconds, as a row. @param {Run} run @returns {Row} */
function windowTotal(run) {
  const { window, total } = run;
  return {
    ...total,
    current_rps: window.rps,
    current_fps: window.fps,
    response_time_ms: window.response_time_ms,
    service_time_ms: window.service_time_ms,
  };
}

/** @param {any} origin a request or a task @returns {string} */
export function originWord(origin) {
  const { method, name, user_type: type, task } = origin?.request ?? origin?.task ?? {};
  return name !== undefined ? `${method} ${name}` : type !== undefined ? `${type} ${task}` : NONE;
}

/** @param {{run: Run}} props @returns {import('../types').View} */
export function Failures({ run }) {
  const rows = useMemo(() => list(run.errors), [run.errors]);
  const [open, setOpen] = useState('');
  const key = (/** @type {import('../types').RunError} */ error) => `${originWord(error.origin)}|${error.code}|${error.message}`;
  const picked = rows.find((error) => key(error) === open) ?? rows.find((error) => error.detail) ?? null;
  /** @type {import('./table.js').Column<import('../types').RunError>[]} */
  const columns = [
    { key: 'message', label: t('message'), text: true, grow: true, value: (row) => row.message || row.code },
    { key: 'code', label: t('code'), text: true, value: (row) => row.code },
    { key: 'origin', label: t('where'), text: true, value: (row) => originWord(row.origin) },
    { key: 'count', label: t('occurrences'), value: (row) => row.count, show: (row) => count(row.count) },
    { key: 'first', label: t('first'), value: (row) => row.first_seconds, show: (row) => clock(row.first_seconds) },
    { key: 'last', label: t('last'), value: (row) => row.last_seconds, show: (row) => clock(row.last_seconds) },
    {
      key: 'frames',
      label: t('frames'),
      text: true,
      value: (row) => (row.detail ? 1 : 0),
      show: (row) =>
        row.detail ? html`<button type="button" class="link" onClick=${() => setOpen(key(row))}>${t('show')}</button>` : NONE,
    },
  ];
  return html`<div><${Table} id="failures" label=${t('failures')} rows=${rows} columns=${columns} sort="-count" keyOf=${key} filter=${key} empty=${t('no_failures')}
    onPick=${(/** @type {any} */ row) => setOpen(key(row))}
    note=${run.errors_omitted > 0 && html`<p class="note warn">${t('errors_omitted', { n: count(run.errors_omitted) })}</p>`} />
    ${picked?.detail && html`<figure class="frames" data-testid="frames"><figcaption><b>${picked.message || picked.code}</b> <span
        class="muted">${originWord(picked.origin)} · ${t('one_case')}</span></figcaption><pre>${picked.detail}</pre></figure>`}</div>`;
}

/** @param {{run: Run}} props @returns {import('../types').View} */
export function Checks({ run }) {
  const checks = useMemo(() => list(run.checks), [run.checks]);
  const groups = useMemo(() => list(run.groups), [run.groups]);
  /** @type {import('./table.js').Column<import('../types').Check>[]} */
  const columns = [
    { key: 'name', label: t('check'), text: true, grow: true, value: (row) => row.name },
    { key: 'group', label: t('group'), text: true, value: (row) => row.group, show: (row) => row.group || NONE },
    { key: 'passes', label: t('passes'), value: (row) => row.passes, show: (row) => count(row.passes) },
    {
      key: 'failures',
      label: t('fails'),
      value: (row) => row.failures,
      show: (row) => count(row.failures),
      kind: (row) => (row.failures ? 'bad' : 'zero'),
    },
    {
      key: 'share',
      label: t('pass_share'),
      value: (row) => row.passes / Math.max(1, row.passes + row.failures),
      show: (row) => meter(row.passes / Math.max(1, row.passes + row.failures)),
    },
  ];
  /** @type {import('./table.js').Column<import('../types').Group>[]} */
  const groupColumns = [
    { key: 'path', label: t('group'), text: true, grow: true, value: (row) => row.path },
    ...durations((/** @type {any} */ row) => row.duration_ms),
  ];
  return html`<div class="stack"><${Table} id="checks" label=${t('checks')} rows=${checks} columns=${columns} sort="-failures"
      keyOf=${(/** @type {any} */ row) => `${row.group} ${row.name}`} filter=${(/** @type {any} */ row) => `${row.group} ${row.name}`} empty=${t('no_checks')} />
    ${groups.length > 0 && html`<h3>${t('groups')}</h3><${Table} id="groups" label=${t('groups')} rows=${groups} columns=${groupColumns} sort="-p95"
        keyOf=${(/** @type {any} */ row) => row.path} />`}</div>`;
}

/** @param {(row: any) => Times | null} of @returns {import('./table.js').Column<any>[]} */
const durations = (of) => [
  { key: 'count', label: t('count'), value: (row) => of(row)?.count ?? null, show: (row) => count(of(row)?.count) },
  .../** @type {[keyof Times, string][]} */ ([
    ['mean', t('mean_ms')],
    ['p50', 'p50'],
    ['p95', 'p95'],
    ['p99', 'p99'],
    ['max', t('max_ms')],
  ]).map(([which, label]) => ({
    key: which,
    label,
    value: (/** @type {any} */ row) => of(row)?.[which] ?? null,
    show: (/** @type {any} */ row) => ms(of(row)?.[which]),
  })),
];

/** @param {number} value 0 to 1 @param {number | null} [wanted] */
const meter = (value, wanted = null) =>
  html`<span class="meter"><span>${percent(value)}</span><meter min="0" max="1" value=${value}
      aria-hidden="true"></meter>${wanted !== null && html`<i class="want" style=${{ right: `${(1 - wanted) * 72}px` }}></i>`}</span>`;

/** @param {{run: Run}} props @returns {import('../types').View} */
export function Tasks({ run }) {
  const tasks = useMemo(() => list(run.tasks), [run.tasks]);
  /** @type {import('./table.js').Column<import('../types').Task>[]} */
  const columns = [
    { key: 'task', label: t('task'), text: true, grow: true, value: (row) => row.task },
    { key: 'user_type', label: t('user_type'), text: true, value: (row) => row.user_type },
    { key: 'iterations', label: t('iterations'), value: (row) => row.iterations, show: (row) => count(row.iterations) },
    {
      key: 'failures',
      label: t('failures'),
      value: (row) => row.failures,
      show: (row) => count(row.failures),
      kind: (row) => (row.failures ? 'bad' : 'zero'),
    },
    { key: 'rate', label: t('per_second'), value: (row) => row.rate, show: (row) => rate(row.rate) },
    { key: 'wanted', label: t('share_wanted'), value: (row) => row.share_wanted, show: (row) => percent(row.share_wanted) },
    { key: 'share', label: t('share_seen'), value: (row) => row.share, show: (row) => meter(row.share, row.share_wanted) },
    { key: 'p50', label: 'p50', value: (row) => row.duration_ms?.p50 ?? null, show: (row) => ms(row.duration_ms?.p50) },
    { key: 'p95', label: 'p95', value: (row) => row.duration_ms?.p95 ?? null, show: (row) => ms(row.duration_ms?.p95) },
  ];
  const byType = Object.entries(run.users_by_type ?? {});
  return html`<div class="stack">${byType.length > 0 && html`<p class="muted">${byType.map(([type, n]) => html`<span class="tag">${type}: ${count(n)}</span>`)}</p>`}
    <${Table} id="tasks" label=${t('tasks')} rows=${tasks} columns=${columns} sort="-iterations"
        keyOf=${(/** @type {any} */ row) => `${row.user_type} ${row.task}`} /></div>`;
}

/** @param {import('../types').Metric} metric @returns {string} */
export function metricWord({ kind, value, unit }) {
  const n = (/** @type {number} */ number) => `${short(number)}${unit ? ` ${unit}` : ''}`;
  if (kind === 'counter') return `${n(value.sum)} · ${t('rate_is', { n: rate(value.rate) })}`;
  if (kind === 'gauge') return `${n(value.last)} (${n(value.min)} … ${n(value.max)})`;
  if (kind === 'rate')
    return `${percent(value.passes / Math.max(1, value.passes + value.failures))} (${count(value.passes)} / ${count(value.passes + value.failures)})`;
  return `p50 ${n(value.p50)} · p95 ${n(value.p95)} · p99 ${n(value.p99)} · ${t('max_ms')} ${n(value.max)} · ${t('n_values', { n: count(value.count) })}`;
}

/** @param {{run: Run}} props @returns {import('../types').View} */
export function Metrics({ run }) {
  const metrics = useMemo(() => list(run.metrics), [run.metrics]);
  const tags = (/** @type {any} */ row) =>
    Object.entries(row.tags ?? {})
      .map((pair) => pair.join('='))
      .join(' ');
  /** @type {import('./table.js').Column<import('../types').Metric>[]} */
  const columns = [
    { key: 'name', label: t('name'), text: true, value: (row) => row.name },
    { key: 'tags', label: t('tags'), text: true, value: tags, show: (row) => tags(row) || NONE },
    { key: 'kind', label: t('kind'), text: true, value: (row) => row.kind },
    { key: 'value', label: t('value'), text: true, grow: true, value: (row) => metricWord(row) },
  ];
  return html`<div class="stack"><${Table} id="metrics" label=${t('metrics')} rows=${metrics} columns=${columns} sort="name"
      keyOf=${(/** @type {any} */ row) => `${row.name} ${tags(row)}`} filter=${(/** @type {any} */ row) => row.name} empty=${t('no_metrics')} />
    <${Shared} shared=${run.shared} /></div>`;
}

/** What is kept by its name. @param {Record<string, any>} all @returns {any[]} */
const named = (all) => Object.entries(all ?? {}).map(([name, one]) => ({ name, ...one }));

/** @param {{shared: any}} props */
function Shared({ shared }) {
  const leased = [
    ...named(shared?.rows).map((row) => ({ ...row, what: t('rows') })),
    ...named(shared?.numbers).map((row) => ({ ...row, what: t('numbers') })),
  ];
  const counters = Object.entries(shared?.counters ?? {});
  const meetings = named(shared?.meetings);
  if (!leased.length && !counters.length && !meetings.length) return null;
  /** @type {import('./table.js').Column<any>[]} */
  const columns = [
    { key: 'name', label: t('name'), text: true, grow: true, value: (row) => row.name },
    { key: 'what', label: t('kind'), text: true, value: (row) => row.what },
    { key: 'total', label: t('there_are'), value: (row) => row.total, show: (row) => count(row.total) },
    { key: 'taken', label: t('taken'), value: (row) => row.taken, show: (row) => count(row.taken) },
    { key: 'in_stock', label: t('in_stock'), value: (row) => row.in_stock, show: (row) => count(row.in_stock) },
    { key: 'withheld', label: t('withheld'), value: (row) => row.withheld, show: (row) => count(row.withheld) },
    { key: 'repeated', label: t('repeated'), value: (row) => row.repeated, show: (row) => count(row.repeated) },
  ];
  return html`<h3>${t('shared')}</h3>
    ${leased.length > 0 && html`<${Table} id="shared" label=${t('shared')} rows=${leased} columns=${columns} sort="name"
        keyOf=${(/** @type {any} */ row) => row.what + row.name} />`}
    ${counters.length > 0 && html`<p>${counters.map(([name, sum]) => html`<span class="tag">${name} = ${count(/** @type {number} */ (sum))}</span>`)}</p>`}
    ${meetings.length > 0 && html`<p>${meetings.map((meeting) => html`<span
        class="tag">${t('meeting_is', { name: meeting.name, size: count(meeting.size), waiting: count(meeting.waiting), n: count(meeting.releases) })}</span>`)}</p>`}`;
}

/** @param {{run: Run}} props @returns {import('../types').View} */
export function Losses({ run }) {
  const losses = list(/** @type {any} */ (run.losses));
  if (!losses.length) return null;
  return html`<ul class="events">${losses.map((loss) => html`<li class="bad"><b>${clock(loss.at_seconds)}</b> ${lossWords(loss)}</li>`)}</ul>`;
}

/** @param {import('../types').Loss} loss @returns {string} */
function lossWords(loss) {
  const { worker, share: part, unmeasured_seconds: unmeasured, served_seconds: served, returned_seconds: returned, moved } = loss;
  return [
    t('lost_worker', { worker, share: percent(part), unmeasured: span(unmeasured) }),
    served != null ? t('lost_served', { at: clock(served) }) : moved ? '' : t('lost_not_moved'),
    returned != null ? t('lost_returned', { at: clock(returned) }) : '',
  ].join(' ');
}
