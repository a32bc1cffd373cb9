// Stages: rows of "within this time, go to this value".
import { html } from '../ui.js';
import { t } from '../i18n.js';
import { Icon } from '../icons.js';

/** @typedef {import('../new-run/stages-text.js').Stage} Stage */

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
