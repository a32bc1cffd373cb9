// The table of requests.
import { html, useMemo, useState } from '../ui.js';
import { t } from '../i18n.js';
import { bytes, count, ms, percent, rate, short } from '../format.js';
import { list } from './basics.js';
import { Table } from './table.js';

/** @typedef {import('../types').Run} Run @typedef {import('../types').Row} Row @typedef {import('../types').Times} Times */

/** @param {string} key @param {string} label @param {(row: Row) => Times | null} of @param {keyof Times} which @param {boolean} [off] @returns {import('./table.js').Column<Row>} */
const timesColumn = (key, label, of, which, off = false) => ({
  key,
  label,
  off,
  value: (row) => of(row)?.[which] ?? null,
  show: (row) => ms(of(row)?.[which]),
});

/** @returns {import('./table.js').Column<Row>[]} */
function requestColumns() {
  const response = (/** @type {Row} */ row) => row.response_time_ms;
  const service = (/** @type {Row} */ row) => row.service_time_ms;
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
      value: (row) => share(row),
      show: (row) => percent(share(row)),
      kind: (row) => ((share(row) ?? 0) > 0 ? 'bad' : 'zero'),
    },
    {
      key: 'rps',
      label: t('per_second'),
      value: (row) => row.rps,
      show: (row) => rate(row.rps),
    },
    {
      key: 'fps',
      label: t('failed_per_second'),
      off: true,
      value: (row) => row.fps,
      show: (row) => rate(row.fps),
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
  ];
}

/** Columns of what is known of the whole run only. @returns {import('./table.js').Column<Row>[]} */
function wholeColumns() {
  return [
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

/** @param {Row} row @returns {number | null} */
const share = (row) => (row.requests ? row.failures / row.requests : null);

/** What a row says of the last so many seconds. @param {Row} row @param {number} seconds @returns {Row} */
const lately = (row, seconds) => ({
  ...row,
  requests: Math.round(row.current_rps * seconds),
  failures: Math.round(row.current_fps * seconds),
  rps: row.current_rps,
  fps: row.current_fps,
  response_time_ms: row.current_response_time_ms,
  service_time_ms: row.current_service_time_ms,
});

/** @param {{run: Run}} props @returns {import('../types').View} */
export function Requests({ run }) {
  const over = run.state === 'finished';
  const [wanted, setWanted] = useState(/** @type {'window' | 'total'} */ ('total'));
  const mode = over ? 'total' : wanted;
  const { seconds } = run.window;
  const of = (/** @type {Row} */ row) => (mode === 'window' ? lately(row, seconds) : row);
  const rows = useMemo(() => list(run.rows).map(of), [run.rows, mode, seconds]);
  const columns = mode === 'window' ? requestColumns() : [...requestColumns(), ...wholeColumns()];
  const tools =
    !over &&
    html`<div class="segmented" role="group" aria-label=${t('figures_over')}>
    <button type="button" aria-pressed=${mode === 'total'} onClick=${() => setWanted('total')}>${t('whole_run')}</button>
    <button type="button" aria-pressed=${mode === 'window'} onClick=${() => setWanted('window')}
        data-testid="window">${t('last_seconds', { n: seconds || 10 })}</button></div>`;
  const note =
    run.rows_omitted > 0 && html`<p class="note warn" data-testid="rows-omitted">${t('rows_omitted', { n: count(run.rows_omitted) })}</p>`;
  return html`<${Table} id="requests" label=${t('statistics')} rows=${rows} columns=${columns} sort="-requests"
    keyOf=${(/** @type {Row} */ row) => `${row.method} ${row.name}`} filter=${(/** @type {Row} */ row) => `${row.method} ${row.name}`}
        pinned=${of(run.total)} tools=${tools} note=${note} />`;
}
