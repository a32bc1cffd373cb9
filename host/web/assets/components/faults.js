// What is wrong, and what helps.
import { html } from '../ui.js';
import { t } from '../i18n.js';
import { Icon } from '../icons.js';

/**
 * @param {{error?: any, faults?: import('../types').Fault[]}} props an error of the API, or faults
 * @returns {import('../types').View}
 */
export function Faults({ error, faults }) {
  const all = faults ?? (error?.faults?.length ? error.faults : error ? [error.body?.message || error.status ? { message: error.message, hint: error.hint, code: error.code } : { message: error.status === 0 ? t('unreachable') : error.message }] : []);
  if (!all.length) return null;
  return html`<ul class="faults" role="alert" data-testid="faults">${all.map((/** @type {import('../types').Fault} */ fault) => html`
    <li><${Icon} name="fault" /><div><b>${fault.key ? `${fault.key}: ` : ''}${fault.message}</b>${fault.hint && html`<p>${fault.hint}</p>`}${fault.code && html`<code class="muted">${fault.code}</code>`}</div></li>`)}</ul>`;
}
