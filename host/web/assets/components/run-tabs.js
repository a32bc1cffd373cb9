// What lies below the charts of a run.
import { html, useEffect, useState } from '../ui.js';
import { remember, remembered } from '../store.js';
import { t } from '../i18n.js';
import { count } from '../format.js';
import { Requests } from './requests.js';
import { useKeys } from './shell.js';

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
    <div class="tabs" role="tablist" aria-label=${t('results')} onKeyDown=${arrow}>${tabs.map(
      ([id, label, n]) => html`
      <button type="button" role="tab" id=${`tab-${id}`} aria-selected=${now === id} aria-controls="tab-panel" tabindex=${now === id ? 0 : -1}
          onClick=${() => pick(id)} data-testid=${`tab-${id}`}>
        ${label}${n ? html`<span class=${`count ${id === 'failures' ? 'bad' : ''}`}>${count(n)}</span>` : null}</button>`,
    )}</div>
    <div class="card panel" id="tab-panel" role="tabpanel" aria-labelledby=${`tab-${now}`}>${now === 'statistics' ? html`<${Requests} run=${run} />` : html`<${Panel} name=${now} run=${run} logs=${logs} live=${live} />`}</div>
  </section>`;
}

/** A panel that is fetched when it is opened. @param {{name: string, run: import('../types').Run, logs: any[], live: boolean}} props */
function Panel({ name, run, logs, live }) {
  const [panels, setPanels] = useState(/** @type {typeof import('./panels.js').PANELS | null} */ (null));
  useEffect(() => void import('./panels.js').then((module) => setPanels(module.PANELS)), []);
  return panels && html`<${panels[name]} key=${name} run=${run} logs=${logs} live=${live} />`;
}
