// What guests wrote to their log.
import { html, useState } from '../ui.js';
import { t } from '../i18n.js';
import { clock, count } from '../format.js';
import { Icon } from '../icons.js';

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
      <label class="search"><${Icon} name="filter" /><span class="sr-only">${t('filter')}</span><input type="search" data-filter placeholder=${t('filter')} value=${needle} onInput=${(/** @type {any} */ event) => setNeedle(event.target.value)} /></label>
      <label class="inline">${t('level')} <select value=${level} onChange=${(/** @type {any} */ event) => setLevel(event.target.value)}>${LEVELS.map((one) => html`<option value=${one}>${one}</option>`)}</select></label>
      <span class="muted small">${t('n_lines', { n: count(found.length) })}</span></div>
    ${found.length ? html`<ol class="logs" tabindex="0" aria-label=${t('logs')}>${found.slice(-DRAWN).reverse().map((line) => html`
      <li class=${String(line.level ?? '').toLowerCase()}><time>${line.at_seconds != null ? clock(line.at_seconds) : ''}</time><b>${line.level ?? ''}</b>
        <span class="muted">${[line.worker, line.user != null ? `#${line.user}` : ''].filter(Boolean).join(' ')}</span><span class="message">${line.message ?? String(line)}</span></li>`)}</ol>`
    : html`<p class="none">${t('no_logs')}</p>`}</div>`;
}
