// What lies below the charts of a run.
import { html, useEffect, useState } from '../ui.js';
import { fleet, may, remember, remembered, toast } from '../store.js';
import { call } from '../api.js';
import { t } from '../i18n.js';
import { bytes, clock, count, dateTime, NONE, percent, shortDigest, span, time } from '../format.js';
import { Icon } from '../icons.js';
import { Copy, endWord, notesOf } from './basics.js';
import { useKeys } from './shell.js';
import { Table } from './table.js';
import { Checks, Failures, Losses, Metrics, Requests, Tasks } from './tables.js';

/**
 * @param {{run: import('../types').Run, logs: any[], live: boolean}} props
 * @returns {import('../types').View}
 */
export function RunTabs({ run, logs, live }) {
  const [tab, setTab] = useState(() => remembered('tab', 'statistics'));
  const size = (/** @type {any} */ all) => Object.keys(all ?? {}).length;
  /** @type {[string, string, number | null][]} */
  const tabs = [
    ['statistics', t('statistics'), size(run.rows)],
    ['failures', t('failures'), size(run.errors)],
    ['checks', t('checks'), size(run.checks)],
    ['metrics', t('metrics'), size(run.metrics)],
    ['tasks', t('tasks'), null],
    .../** @type {[string, string, number | null][]} */ (
      live
        ? [
            ['workers', t('workers'), run.workers],
            ['logs', t('logs'), logs.length || null],
          ]
        : []
    ),
    ['details', t('details'), null],
  ];
  const now = tabs.some(([id]) => id === tab) ? tab : 'statistics';
  const pick = (/** @type {string} */ id) => {
    remember('tab', id);
    setTab(id);
  };
  useEffect(() => useKeys(Object.fromEntries(tabs.map(([id], n) => [String(n + 1), () => pick(id)]))), []);
  /** @param {KeyboardEvent} event */
  const arrow = (event) => {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (!step) return;
    const at = tabs.findIndex(([id]) => id === now);
    const next = tabs[(at + step + tabs.length) % tabs.length];
    if (next) pick(next[0]);
    const list = /** @type {HTMLElement} */ (event.currentTarget);
    requestAnimationFrame(() => /** @type {HTMLElement | null} */ (list.querySelector('[aria-selected="true"]'))?.focus());
  };
  return html`<section class="tabs-section">
    <div class="tabs" role="tablist" aria-label=${t('results')} onKeyDown=${arrow}>${tabs.map(
      ([id, label, n]) => html`
      <button type="button" role="tab" id=${`tab-${id}`} aria-selected=${now === id} aria-controls="tab-panel" tabindex=${now === id ? 0 : -1}
          onClick=${() => pick(id)} data-testid=${`tab-${id}`}>
        ${label}${n ? html`<span class=${`count ${id === 'failures' ? 'bad' : ''}`}>${count(n)}</span>` : null}</button>`,
    )}</div>
    <div class="card panel" id="tab-panel" role="tabpanel" aria-labelledby=${`tab-${now}`}>${panel(now, run, logs)}</div>
  </section>`;
}

/** @param {string} tab @param {import('../types').Run} run @param {any[]} logs */
function panel(tab, run, logs) {
  switch (tab) {
    case 'failures':
      return html`<${Failures} run=${run} />`;
    case 'checks':
      return html`<${Checks} run=${run} />`;
    case 'metrics':
      return html`<${Metrics} run=${run} />`;
    case 'tasks':
      return html`<${Tasks} run=${run} />`;
    case 'workers':
      return html`<${RunWorkers} run=${run} />`;
    case 'logs':
      return html`<${Logs} lines=${logs} />`;
    case 'details':
      return html`<${Details} run=${run} />`;
    default:
      return html`<${Requests} run=${run} />`;
  }
}

/** @param {{run: import('../types').Run}} props */
function RunWorkers({ run }) {
  const workers = Object.values(fleet.value?.workers ?? {}).filter((worker) => run.state === 'finished' || worker.run === run.run);
  return html`<${WorkersTable} workers=${workers} />`;
}

/** @param {{run: import('../types').Run}} props @returns {import('../types').View} */
export function Details({ run }) {
  const notes = notesOf(run);
  const capped = Object.entries(run.counters?.capped ?? {});
  const params = Object.entries(run.params ?? {});
  return html`<div class="details">
    <section><h3>${t('the_run')}</h3><dl class="facts">
      ${fact(t('run_id'), html`<code>${run.run}</code><${Copy} text=${run.run} />`)}
      ${fact(t('scenario'), `${run.scenario} ${run.scenario_version ?? ''}`)}
      ${fact(t('module'), html`<code class="digest">${run.module}</code><${Copy} text=${run.module} />`)}
      ${fact(t('target'), run.target ?? t('none'))}
      ${fact(t('started'), dateTime(run.started_at))}
      ${run.started_by ? fact(t('started_by'), run.started_by) : null}
      ${fact(t('length'), run.length_seconds == null ? t('open_ended') : span(run.length_seconds))}
      ${fact(t('seed'), String(run.seed))}
      ${run.ended ? fact(t('ended'), endWord(run.ended)) : null}
      ${fact(t('counted'), run.counted_from_seconds > 0 ? t('counted_from', { time: span(run.counted_seconds), at: clock(run.counted_from_seconds) }) : span(run.counted_seconds))}
    </dl></section>
    <section><h3>${t('trust')}</h3><dl class="facts">
      ${fact(t('generator_cpu_peak'), percent(run.generator.cpu_peak))}
      ${fact(t('saturated_for'), run.generator.saturated_seconds > 0 ? `${span(run.generator.saturated_seconds)} – ${run.generator.first_reason ?? ''}` : t('never'))}
      ${fact(t('start_lag'), time(run.generator.start_lag_p99_ms))}
      ${fact(t('timer_lag'), time(run.generator.loop_lag_p99_ms))}
      ${fact(t('dropped_arrivals'), `${count(run.counters?.dropped_arrivals)} / ${count(run.counters?.arrivals)}`)}
      ${fact(t('interrupted'), count(run.counters?.interrupted))}
      ${fact(t('crashed_users'), count(run.counters?.crashed_users))}
      ${fact(t('missing_intervals'), count(run.collection?.missing))}
      ${capped.map(([cap, n]) => fact(t('refused_by', { cap }), count(n)))}
    </dl></section>
    ${params.length > 0 && html`<section><h3>${t('parameters')}</h3><dl
        class="facts">${params.map(([name, value]) => fact(name, html`<code>${value}</code>`))}</dl></section>`}
    <section class="wide"><h3>${t('events')}</h3>
      ${notes.length ? html`<ul class="events" data-testid="notes">${notes.map((note) => html`<li
          class=${note.kind}><b>${note.at_seconds == null ? '' : clock(note.at_seconds)}</b> ${note.message}</li>`)}</ul>` : run.losses?.length ? null : html`<p class="none">${t('no_events')}</p>`}
      <${Losses} run=${run} /></section>
  </div>`;
}

/** @param {string} name @param {unknown} value */
const fact = (name, value) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`;

/** Lines that are drawn. */
const DRAWN = 300;
const LEVELS = ['error', 'warn', 'info', 'debug', 'trace'];

/** @param {{lines: any[]}} props @returns {import('../types').View} */
export function Logs({ lines }) {
  const [needle, setNeedle] = useState('');
  const [level, setLevel] = useState('trace');
  const least = LEVELS.indexOf(level);
  const found = lines.filter((line) => {
    const at = LEVELS.indexOf(String(line.level ?? 'info').toLowerCase());
    return (at < 0 || at <= least) && (!needle || JSON.stringify(line).toLowerCase().includes(needle.toLowerCase()));
  });
  return html`<div data-testid="logs"><div class="tools">
      <label class="search"><${Icon} name="filter" /><span class="sr-only">${t('filter')}</span><input type="search" data-filter
          placeholder=${t('filter')} value=${needle} onInput=${(/** @type {any} */ event) => setNeedle(event.target.value)} /></label>
      <label class="inline">${t('level')} <select value=${level}
          onChange=${(/** @type {any} */ event) => setLevel(event.target.value)}>${LEVELS.map((one) => html`<option value=${one}>${one}</option>`)}</select></label>
      <span class="muted small">${t('n_lines', { n: count(found.length) })}</span></div>
    ${
      found.length
        ? html`<ol class="logs" tabindex="0" aria-label=${t('logs')}>${found
            .slice(-DRAWN)
            .reverse()
            .map(
              (line) => html`
      <li class=${String(line.level ?? '').toLowerCase()}><time>${line.at_seconds != null ? clock(line.at_seconds) : ''}</time><b>${line.level ?? ''}</b>
        <span class="muted">${[line.worker, line.user != null ? `#${line.user}` : ''].filter(Boolean).join(' ')}</span><span
            class="message">${line.message ?? String(line)}</span></li>`,
            )}</ol>`
        : html`<p class="none">${t('no_logs')}</p>`
    }</div>`;
}

/** @typedef {import('../types').Worker} Worker */

/** What a worker is doing, in a word. @param {Worker} worker @returns {{kind: string, word: string}} */
export function workerState(worker) {
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
    { key: 'lag', label: t('lag'), value: (row) => row.loop_lag_p99_ms ?? null, show: (row) => time(row.loop_lag_p99_ms), off: true },
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
