// The table of requests.
import { html, useMemo, useState } from '../ui.js';
import { t } from '../i18n.js';
import { bytes, count, ms, percent, rate, short } from '../format.js';
import { list } from './basics.js';
import { Table } from './table.js';

/** @typedef {import('../types').Run} Run @typedef {import('../types').Row} Row @typedef {import('../types').Times} Times */

/** @param {boolean} current @returns {(key: string, label: string, of: (row: Row) => Times | null, which: keyof Times, off?: boolean) => import('./table.js').Column<Row>} */
const timesColumns = (current) => (key, label, of, which, off = false) => ({
  key,
  label,
  off,
  help: current ? t('times_of_run') : undefined,
  // Times by name are of the whole run only: among figures of the last seconds they stand back.
  kind: (/** @type {Row} */ row) => (current && row.method ? 'zero' : ''),
  value: (/** @type {Row} */ row) => of(row)?.[which] ?? null,
  show: (/** @type {Row} */ row) => ms(of(row)?.[which]),
});

/** @param {'window' | 'total'} over @returns {import('./table.js').Column<Row>[]} */
function requestColumns(over) {
  const response = (/** @type {Row} */ row) => row.response_time_ms;
  const service = (/** @type {Row} */ row) => row.service_time_ms;
  const current = over === 'window';
  const timesColumn = timesColumns(current);
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
  const note = html`${mode === 'window' && html`<p class="note muted">${t('times_of_run')}</p>`}${
    run.rows_omitted > 0 && html`<p class="note warn" data-testid="rows-omitted">${t('rows_omitted', { n: count(run.rows_omitted) })}</p>`
  }`;
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
