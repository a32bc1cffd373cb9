// What is fetched only when somebody asks for it: the list of shortcuts, what a tick costs.
import '../more.js';
import { html, useEffect, useState } from '../ui.js';
import { costs, live, session } from '../store.js';
import { t } from '../i18n.js';
import { Dialog } from './basics.js';
import { helpOpen } from './shell.js';

/** @returns {import('../types').View} */
export function Help() {
  /** @type {[string, string][]} */
  const rows = [
    ['?', t('key_help')],
    ['g r', t('key_runs')],
    ['g n', t('key_new')],
    ['g w', t('key_workers')],
    ['/', t('key_filter')],
    ['c', t('key_change')],
    ['s', t('key_stop')],
    ['1 – 8', t('key_tabs')],
    ['t', t('key_theme')],
    ['l', t('key_language')],
    ['← →', t('key_cursor')],
    ['+ − 0', t('key_zoom')],
    ['Esc', t('key_close')],
  ];
  return html`<${Dialog} title=${t('help')} onClose=${() => (helpOpen.value = false)} testid="help">
    <dl class="keys">${rows.map(([key, what]) => html`<div><dt>${key.split(' ').map((part) => html`<kbd>${part}</kbd>`)}</dt><dd>${what}</dd></div>`)}</dl>
    <p class="muted small">${t('brand')} ${session.value?.version ?? ''} · ${t('no_requests_elsewhere')} · <a href="./api/v1/openapi.json">${t('api_document')}</a></p>
  <//>`;
}

/** @returns {import('../types').View} */
export function Perf() {
  const [, redraw] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => redraw((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, []);
  const sorted = [...costs].sort((a, b) => a - b);
  const heap = /** @type {any} */ (performance).memory?.usedJSHeapSize;
  const text = [
    `tick ${(costs[costs.length - 1] ?? 0).toFixed(1)} ms`,
    `p95 ${(sorted[Math.floor(sorted.length * 0.95)] ?? 0).toFixed(1)}`,
    `points ${live.points.length}`,
    heap ? `heap ${(heap / 1e6).toFixed(1)} MB` : '',
  ];
  return html`<output class="perf" data-testid="perf">${text.join(' · ')}</output>`;
}
