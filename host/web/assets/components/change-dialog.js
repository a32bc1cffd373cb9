// Changes the load of a run that goes on.
import { html, useState } from '../ui.js';
import { toast } from '../store.js';
import { post } from '../api.js';
import { t } from '../i18n.js';
import { Dialog } from './dialog.js';
import { StagesEditor } from './stages.js';
import { stagesText } from '../new-run/stages-text.js';

/** @param {{run: import('../types').Run, onClose: () => void}} props @returns {import('../types').View} */
export function ChangeDialog({ run, onClose }) {
  const arrivals = run.rate_wanted != null;
  const phases = (run.profile?.phases ?? []).map((/** @type {any} */ phase) => phase.name);
  const [kind, setKind] = useState(arrivals ? 'rate' : 'users');
  const [stages, setStages] = useState([{ duration: '30s', target: String(arrivals ? Math.round(run.rate_wanted ?? 0) : run.users_wanted ?? run.users) }]);
  const [fault, setFault] = useState(/** @type {any} */ (null));
  /** @param {SubmitEvent} event */
  const submit = async (event) => {
    event.preventDefault();
    const form = new FormData(/** @type {HTMLFormElement} */ (event.target));
    const text = (/** @type {string} */ name) => String(form.get(name) ?? '').trim();
    /** @type {any} */
    const body = { change: kind === 'stages' ? { stages: stagesText(stages, arrivals) } : kind === 'rate' ? { rate: text('rate'), ...(text('over') ? { over: text('over') } : {}) }
      : { users: Number(text('users')), ...(text('spawn-rate') ? { spawn_rate: Number(text('spawn-rate')) } : {}) } };
    if (text('phase')) body.phase = text('phase');
    try {
      const answer = await post(`runs/${encodeURIComponent(run.run)}/change`, body);
      for (const warning of answer?.warnings ?? []) toast('good', String(warning.message ?? warning));
      toast('good', t('changed'));
      onClose();
    } catch (error) {
      setFault(error);
    }
  };
  return html`<${Dialog} title=${t('change_load')} onClose=${onClose} testid="change-dialog">
    <form onSubmit=${submit}>
      <div class="segmented" role="group" aria-label=${t('load')}>
        ${!arrivals && choice('users', t('users'), kind, setKind)}${arrivals && choice('rate', t('arrival_rate'), kind, setKind)}${choice('stages', t('stages'), kind, setKind)}</div>
      ${phases.length > 1 && html`<label class="field"><span>${t('phase')}</span><select name="phase">${phases.map((/** @type {string} */ name) => html`<option>${name}</option>`)}</select></label>`}
      ${kind === 'users' && html`<div class="fields"><label class="field"><span>${t('users')}</span><input name="users" type="number" min="0" step="1" required autofocus value=${run.users_wanted ?? run.users} /></label>
        <label class="field"><span>${t('spawn_rate')}</span><input name="spawn-rate" type="number" min="0" step="any" placeholder=${t('at_once')} /></label></div>`}
      ${kind === 'rate' && html`<div class="fields"><label class="field"><span>${t('arrival_rate')}</span><input name="rate" required autofocus value=${`${run.rate_wanted ?? 0}/s`} /></label>
        <label class="field"><span>${t('within')}</span><input name="over" placeholder=${t('at_once')} /></label></div>`}
      ${kind === 'stages' && html`<${StagesEditor} stages=${stages} onChange=${setStages} unit=${arrivals ? 'rate' : 'users'} /><p class="muted small">${t('stages_from_now')}</p>`}
      ${fault && html`<p class="fault" role="alert"><b>${fault.message}</b> ${fault.hint}</p>`}
      <footer><button type="button" onClick=${onClose}>${t('cancel')}</button><button class="primary" type="submit" data-testid="change-do">${t('apply')}</button></footer>
    </form><//>`;
}

/** @param {string} id @param {string} label @param {string} now @param {(id: string) => void} set */
const choice = (id, label, now, set) => html`<button type="button" aria-pressed=${now === id} onClick=${() => set(id)} data-testid=${`change-${id}`}>${label}</button>`;
