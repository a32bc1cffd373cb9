// Workers, of a run or all of them.
import { html } from '../ui.js';
import { may, toast } from '../store.js';
import { call } from '../api.js';
import { t } from '../i18n.js';
import { bytes, count, NONE, percent, shortDigest, span, time } from '../format.js';
import { Table } from './table.js';

/** @typedef {import('../types').Worker} Worker */

/** What a worker is doing, in a word. @param {Worker} worker @returns {{kind: string, word: string}} */
function workerState(worker) {
  if (worker.liveness === 'lost') return { kind: 'bad', word: t('worker_lost') };
  if (worker.liveness === 'suspect') return { kind: 'warn', word: t('worker_suspect') };
  if (worker.name_clash) return { kind: 'bad', word: t('worker_clash') };
  if (worker.draining) return { kind: 'warn', word: worker.users ? t('worker_draining') : t('worker_drained') };
  const state = typeof worker.state === 'string' ? worker.state : (Object.keys(worker.state ?? {})[0] ?? '');
  if (state === 'failed') return { kind: 'bad', word: t('worker_failed') };
  return worker.run ? { kind: 'live', word: t('worker_working') } : { kind: 'good', word: t('worker_ready') };
}

/** @param {Worker} worker @returns {string} */
const tagsOf = (worker) =>
  Object.entries(worker.tags ?? {})
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');

/** @param {{workers: any[], manage?: boolean}} props @returns {import('../types').View} */
export function WorkersTable({ workers, manage }) {
  /** @type {import('./table.js').Column<Worker>[]} */
  const columns = [
    { key: 'worker', label: t('worker'), text: true, value: (row) => row.worker },
    {
      key: 'state',
      label: t('state'),
      text: true,
      value: (row) => workerState(row).word,
      show: (row) => {
        const { kind, word } = workerState(row);
        return html`<span class=${`pill ${kind}`} title=${row.trouble}><i class="dot"></i>${word}</span>`;
      },
    },
    {
      key: 'tags',
      label: t('tags'),
      text: true,
      grow: true,
      value: tagsOf,
      show: (row) => Object.entries(row.tags ?? {}).map(([name, value]) => html`<span class="tag">${name}=${value}</span>`),
    },
    { key: 'users', label: t('users'), value: (row) => row.users, show: (row) => count(row.users) },
    { key: 'capacity', label: t('capacity'), value: (row) => row.capacity, show: (row) => count(row.capacity) },
    {
      key: 'cpu',
      label: t('cpu'),
      value: (row) => row.cpu,
      show: (row) =>
        html`<span class="meter"><span>${percent(row.cpu)}</span><meter min="0" max="1" high="0.9" optimum="0" value=${row.cpu} aria-hidden="true"></meter></span>`,
    },
    { key: 'memory', label: t('memory'), value: (row) => row.memory_bytes, show: (row) => bytes(row.memory_bytes) },
    { key: 'lag', label: t('lag'), value: (row) => row.lag_ms ?? null, show: (row) => time(row.lag_ms) },
    {
      key: 'silent',
      label: t('last_seen'),
      value: (row) => row.silent_seconds,
      show: (row) => (row.silent_seconds < 2 ? t('now') : t('ago', { time: span(row.silent_seconds) })),
      kind: (row) => (row.silent_seconds > 5 ? 'bad' : ''),
    },
    {
      key: 'module',
      label: t('module'),
      text: true,
      value: (row) => row.module ?? '',
      show: (row) => (row.module ? html`<code title=${row.module}>${shortDigest(row.module)}</code>` : NONE),
    },
    { key: 'shards', label: t('shards'), value: (row) => row.shards, show: (row) => count(row.shards), off: true },
    { key: 'release', label: t('release'), text: true, value: (row) => row.release, off: true },
  ];
  if (manage && may('admin'))
    columns.push({
      key: 'drain',
      label: t('service'),
      text: true,
      value: (row) => Number(row.draining),
      show: (row) =>
        html`<button type="button" class="small" onClick=${() => drain(row)} data-testid=${`drain-${row.worker}`}>${row.draining ? t('undrain') : t('drain')}</button>`,
    });
  return html`<${Table} id="workers" label=${t('workers')} rows=${workers} columns=${columns} sort="worker" keyOf=${(/** @type {Worker} */ row) => row.worker}
    filter=${(/** @type {Worker} */ row) => `${row.worker} ${tagsOf(row)}`} empty=${t('no_workers')} />`;
}

/** @param {Worker} worker */
async function drain(worker) {
  try {
    await call(worker.draining ? 'DELETE' : 'POST', `workers/${encodeURIComponent(worker.worker)}/drain`);
    toast('good', t(worker.draining ? 'undrained' : 'drained', { worker: worker.worker }));
  } catch (error) {
    toast('bad', /** @type {any} */ (error).message, /** @type {any} */ (error).hint);
  }
}
