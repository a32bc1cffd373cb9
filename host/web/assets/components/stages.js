// Stages: rows of "within this time, go to this value".
import { html } from '../ui.js';
import { t } from '../i18n.js';
import { Icon } from '../icons.js';

/** @typedef {{duration: string, target: string}} Stage */

/** As `loadhost` reads them: `10s->100, 1m->100`. @param {Stage[]} stages @param {boolean} [rates] @returns {string} */
export function stagesText(stages, rates) {
  return stages.map(({ duration, target }) => `${duration.trim() || '0s'}->${target.trim() || '0'}${rates && /^[\d.]+$/.test(target.trim()) ? '/s' : ''}`).join(', ');
}

/** @param {string} text @returns {Stage[]} */
export function stagesOf(text) {
  return text.split(',').map((part) => part.split('->')).filter((parts) => parts.length === 2).map(([duration = '', target = '']) => ({ duration: duration.trim(), target: target.trim() }));
}

/** @param {{stages: Stage[], onChange: (stages: Stage[]) => void, unit: 'users' | 'rate'}} props @returns {import('../types').View} */
export function StagesEditor({ stages, onChange, unit }) {
  /** @param {number} at @param {Partial<Stage>} part */
  const put = (at, part) => onChange(stages.map((stage, n) => (n === at ? { ...stage, ...part } : stage)));
  const last = stages[stages.length - 1];
  return html`<fieldset class="stages" data-testid="stages"><legend>${t('stages')}</legend>
    ${stages.map((stage, n) => html`<div class="stage"><span class="muted">${n + 1}</span>
      <label><span class="sr-only">${t('stage_duration', { n: n + 1 })}</span><input value=${stage.duration} placeholder="1m" onInput=${(/** @type {any} */ event) => put(n, { duration: event.target.value })} /></label>
      <${Icon} name="right" />
      <label><span class="sr-only">${t('stage_target', { n: n + 1 })}</span><input value=${stage.target} inputmode="decimal" placeholder="100" onInput=${(/** @type {any} */ event) => put(n, { target: event.target.value })} /></label>
      <span class="muted small">${unit === 'users' ? t('unit_users') : t('unit_per_second')}</span>
      <button type="button" class="ghost" aria-label=${t('remove_stage', { n: n + 1 })} disabled=${stages.length < 2} onClick=${() => onChange(stages.filter((_, at) => at !== n))}><${Icon} name="close" /></button></div>`)}
    <button type="button" class="small" onClick=${() => onChange([...stages, { duration: last?.duration || '1m', target: last?.target || '10' }])} data-testid="add-stage"><${Icon} name="plus" />${t('add_stage')}</button></fieldset>`;
}
