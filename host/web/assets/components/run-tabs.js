// What lies below the charts of a run.
import { html, useEffect, useState } from '../ui.js';
import { fleet, remember, remembered } from '../store.js';
import { t } from '../i18n.js';
import { count } from '../format.js';
import { useKeys } from '../keys.js';
import { Checks, Failures, Metrics, Requests, Tasks } from './tables.js';
import { Details } from './details.js';
import { Logs } from './logs.js';
import { WorkersTable } from './workers-table.js';

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
    ['workers', t('workers'), run.workers],
    ['logs', t('logs'), logs.length || null],
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
    <div class="tabs" role="tablist" aria-label=${t('results')} onKeyDown=${arrow}>${tabs.map(([id, label, n]) => html`
      <button type="button" role="tab" id=${`tab-${id}`} aria-selected=${now === id} aria-controls="tab-panel" tabindex=${now === id ? 0 : -1} onClick=${() => pick(id)} data-testid=${`tab-${id}`}>
        ${label}${n ? html`<span class=${`count ${id === 'failures' ? 'bad' : ''}`}>${count(n)}</span>` : null}</button>`)}</div>
    <div class="card panel" id="tab-panel" role="tabpanel" aria-labelledby=${`tab-${now}`}>${panel(now, run, logs, live)}</div>
  </section>`;
}

/** @param {string} tab @param {import('../types').Run} run @param {any[]} logs @param {boolean} live */
function panel(tab, run, logs, live) {
  switch (tab) {
    case 'failures': return html`<${Failures} run=${run} />`;
    case 'checks': return html`<${Checks} run=${run} />`;
    case 'metrics': return html`<${Metrics} run=${run} />`;
    case 'tasks': return html`<${Tasks} run=${run} />`;
    case 'workers': return html`<${RunWorkers} run=${run} live=${live} />`;
    case 'logs': return html`<${Logs} lines=${logs} />`;
    case 'details': return html`<${Details} run=${run} />`;
    default: return html`<${Requests} run=${run} />`;
  }
}

/** @param {{run: import('../types').Run, live: boolean}} props */
function RunWorkers({ run, live }) {
  const kept = /** @type {any} */ (run).worker_list ?? /** @type {any} */ (run).workers_detail;
  const workers = live ? Object.values(fleet.value?.workers ?? {}).filter((worker) => run.state === 'finished' || worker.run === run.run) : Object.values(kept ?? {});
  return html`<${WorkersTable} workers=${workers} />`;
}
