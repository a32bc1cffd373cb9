// The list of shortcuts, under `?`.
import { html, signal } from '../ui.js';
import { t } from '../i18n.js';
import { Dialog } from './dialog.js';
import { session } from '../store.js';

/** @type {import('../types').Signal<boolean>} */
export const helpOpen = signal(false);

/** @returns {import('../types').View} */
export function Help() {
  if (!helpOpen.value) return null;
  /** @type {[string, string][]} */
  const rows = [
    ['?', t('key_help')], ['g r', t('key_runs')], ['g n', t('key_new')], ['g w', t('key_workers')], ['/', t('key_filter')],
    ['c', t('key_change')], ['s', t('key_stop')], ['1 – 8', t('key_tabs')], ['t', t('key_theme')], ['l', t('key_language')],
    ['← →', t('key_cursor')], ['+ − 0', t('key_zoom')], ['Esc', t('key_close')],
  ];
  return html`<${Dialog} title=${t('help')} onClose=${() => (helpOpen.value = false)} testid="help">
    <dl class="keys">${rows.map(([key, what]) => html`<div><dt>${key.split(' ').map((part) => html`<kbd>${part}</kbd>`)}</dt><dd>${what}</dd></div>`)}</dl>
    <p class="muted small">${t('brand')} ${session.value?.version ?? ''} · ${t('no_requests_elsewhere')} · <a href="./api/v1/openapi.json">${t('api_document')}</a></p>
  <//>`;
}
