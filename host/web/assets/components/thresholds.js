// What must hold, with its present value.
import { html } from '../ui.js';
import { t } from '../i18n.js';
import { clock, NONE, percent, rate, short, time } from '../format.js';
import { Icon } from './../icons.js';
import { thresholdsOf } from './state.js';

/** The value of a threshold in the unit of its bound. @param {import('../types').Threshold} threshold @returns {string} */
export function thresholdValue({ text, value }) {
  if (value === null || value === undefined) return NONE;
  if (/%\s*$/.test(text)) return percent(value);
  if (/\d\s*(ns|us|µs|ms|s|m)\s*$/.test(text) && !/\/s\s*$/.test(text)) return time(value);
  return /\brate\b/.test(text) ? rate(value) : short(value);
}

/** @param {{run: import('../types').Run}} props @returns {import('../types').View} */
export function Thresholds({ run }) {
  const all = thresholdsOf(run);
  if (!all.length) return null;
  const icon = /** @type {const} */ ({ ok: 'check', broken: 'fault', 'no-data': 'info' });
  const word = { ok: t('threshold_ok'), broken: t('threshold_broken'), 'no-data': t('threshold_no_data') };
  return html`<ul class="thresholds" aria-label=${t('thresholds')} data-testid="thresholds">${all.map((threshold) => html`
    <li key=${threshold.text} class=${threshold.state} data-state=${threshold.state}><${Icon} name=${icon[threshold.state] ?? 'info'} label=${word[threshold.state]} />
      <code>${threshold.text}</code><b>${thresholdValue(threshold)}</b>
      ${threshold.broken_since_seconds != null && html`<small>${t('broken_since', { at: clock(threshold.broken_since_seconds) })}</small>`}
      ${threshold.abort_after_seconds != null && html`<small>${t('aborts_after', { at: clock(threshold.abort_after_seconds) })}</small>`}</li>`)}</ul>`;
}
