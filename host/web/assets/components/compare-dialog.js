// Chooses the run to compare with.
import { html, useEffect, useState } from '../ui.js';
import { go } from '../store.js';
import { get } from '../api.js';
import { t } from '../i18n.js';
import { date, rate, time } from '../format.js';
import { Dialog } from './dialog.js';
import { Faults } from './faults.js';

/** @param {{run: string, onClose: () => void}} props @returns {import('../types').View} */
export function CompareDialog({ run, onClose }) {
  const [all, setAll] = useState(/** @type {import('../types').RunShort[] | null} */ (null));
  const [error, setError] = useState(/** @type {any} */ (null));
  useEffect(() => void get('runs?limit=100').then((answer) => setAll((answer.runs ?? answer).filter((/** @type {any} */ one) => one.run !== run && one.state === 'finished'))).catch(setError), []);
  /** @param {string} other */
  const pick = (other) => {
    onClose();
    go(`/runs/${run}/compare/${other}`);
  };
  return html`<${Dialog} title=${t('compare_with')} onClose=${onClose} testid="compare-dialog">
    ${error && html`<${Faults} error=${error} />`}
    <div class="choices">${(all ?? []).map((one) => html`<button type="button" class="choice" onClick=${() => pick(one.run)} data-testid=${`baseline-${one.run}`}><b>${one.scenario}</b> <span>${date(one.started_at)}</span>
      <span class="muted">${rate(one.rps)}/s · p95 ${time(one.p95_ms)}</span>${one.note && html`<span class="muted">${one.note}</span>`}</button>`)}
      ${all && !all.length && html`<p class="none">${t('no_other_run')}</p>`}</div><//>`;
}
