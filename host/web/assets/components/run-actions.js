// Dialogs about a run, fetched when one is opened: other load, other version, comparison.
import '../more.js';
import { html, useEffect, useState } from '../ui.js';
import { go, toast } from '../store.js';
import { get, post, upload } from '../api.js';
import { t } from '../i18n.js';
import { date, rate, shortDigest, time } from '../format.js';
import { Icon } from '../icons.js';
import { Dialog, Faults } from './basics.js';
import { stagesText } from '../new-run/values.js';

/** @typedef {import('../new-run/values.js').Stage} Stage */

/** @param {{stages: Stage[], onChange: (stages: Stage[]) => void, unit: 'users' | 'rate'}} props @returns {import('../types').View} */
export function StagesEditor({ stages, onChange, unit }) {
  /** @param {number} at @param {Partial<Stage>} part */
  const put = (at, part) => onChange(stages.map((stage, n) => (n === at ? { ...stage, ...part } : stage)));
  const last = stages[stages.length - 1];
  return html`<fieldset class="stages" data-testid="stages"><legend>${t('stages')}</legend>
    ${stages.map(
      (stage, n) => html`<div class="stage"><span class="muted">${n + 1}</span>
      <label><span class="sr-only">${t('stage_duration', { n: n + 1 })}</span><input value=${stage.duration} placeholder="1m"
          onInput=${(/** @type {any} */ event) => put(n, { duration: event.target.value })} /></label>
      <${Icon} name="right" />
      <label><span class="sr-only">${t('stage_target', { n: n + 1 })}</span><input value=${stage.target} inputmode="decimal" placeholder="100"
          onInput=${(/** @type {any} */ event) => put(n, { target: event.target.value })} /></label>
      <span class="muted small">${unit === 'users' ? t('unit_users') : t('unit_per_second')}</span>
      <button type="button" class="ghost" aria-label=${t('remove_stage', { n: n + 1 })} disabled=${stages.length < 2}
          onClick=${() => onChange(stages.filter((_, at) => at !== n))}><${Icon} name="close" /></button></div>`,
    )}
    <button type="button" class="small" onClick=${() => onChange([...stages, { duration: last?.duration || '1m', target: last?.target || '10' }])}
        data-testid="add-stage"><${Icon} name="plus" />${t('add_stage')}</button></fieldset>`;
}

/** @param {{run: import('../types').Run, onClose: () => void}} props @returns {import('../types').View} */
export function ChangeDialog({ run, onClose }) {
  const arrivals = run.rate_wanted != null;
  const phases = (run.profile?.phases ?? []).map((/** @type {any} */ phase) => phase.name);
  const [kind, setKind] = useState(arrivals ? 'rate' : 'users');
  const [stages, setStages] = useState([
    { duration: '30s', target: String(arrivals ? Math.round(run.rate_wanted ?? 0) : (run.users_wanted ?? run.users)) },
  ]);
  const [fault, setFault] = useState(/** @type {any} */ (null));
  /** @param {SubmitEvent} event */
  const submit = async (event) => {
    event.preventDefault();
    const form = new FormData(/** @type {HTMLFormElement} */ (event.target));
    const text = (/** @type {string} */ name) => String(form.get(name) ?? '').trim();
    /** @type {any} */
    const body = {
      change:
        kind === 'stages'
          ? { stages: { stages: stagesText(stages, arrivals) } }
          : kind === 'rate'
            ? { rate: { rate: text('rate'), over: text('over') || null } }
            : { users: { users: Number(text('users')), spawn_rate: text('spawn-rate') ? Number(text('spawn-rate')) : null } },
    };
    if (text('phase')) body.phase = text('phase');
    try {
      await post(`runs/${encodeURIComponent(run.run)}/change`, body);
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
      ${phases.length > 1 && html`<label class="field"><span>${t('phase')}</span><select
          name="phase">${phases.map((/** @type {string} */ name) => html`<option>${name}</option>`)}</select></label>`}
      ${
        kind === 'users' &&
        html`<div class="fields"><label class="field"><span>${t('users')}</span><input name="users" type="number" min="0" step="1" required autofocus
            defaultValue=${run.users_wanted ?? run.users} /></label>
        <label class="field"><span>${t('spawn_rate')}</span><input name="spawn-rate" type="number" min="0" step="any" placeholder=${t('at_once')} /></label></div>`
      }
      ${
        kind === 'rate' &&
        html`<div class="fields"><label class="field"><span>${t('arrival_rate')}</span><input name="rate" required autofocus
            defaultValue=${`${run.rate_wanted ?? 0}/s`} /></label>
        <label class="field"><span>${t('within')}</span><input name="over" placeholder=${t('at_once')} /></label></div>`
      }
      ${kind === 'stages' && html`<${StagesEditor} stages=${stages} onChange=${setStages} unit=${arrivals ? 'rate' : 'users'} /><p
          class="muted small">${t('stages_from_now')}</p>`}
      ${fault && html`<p class="fault" role="alert"><b>${fault.message}</b> ${fault.hint}</p>`}
      <footer><button type="button" onClick=${onClose}>${t('cancel')}</button><button class="primary" type="submit"
          data-testid="change-do">${t('apply')}</button></footer>
    </form><//>`;
}

/** @param {string} id @param {string} label @param {string} now @param {(id: string) => void} set */
const choice = (id, label, now, set) =>
  html`<button type="button" aria-pressed=${now === id} onClick=${() => set(id)} data-testid=${`change-${id}`}>${label}</button>`;

/** @param {{run: import('../types').Run, onClose: () => void}} props @returns {import('../types').View} */
export function VersionDialog({ run, onClose }) {
  const [all, setAll] = useState(/** @type {import('../types').Scenario[]} */ ([]));
  const [picked, setPicked] = useState('');
  const [error, setError] = useState(/** @type {any} */ (null));
  // A file that was just given may be chosen whatever its name is: the server says whether it fits.
  const load = async (given = '') => {
    const answer = await get('scenarios');
    const found = answer.scenarios;
    setAll(
      found.filter((/** @type {any} */ one) => one.digest !== run.module && (one.name === run.scenario || one.digest === given)),
    );
  };
  useEffect(() => void load().catch(setError), []);
  /** @param {any} event */
  const give = async (event) => {
    const [file] = event.target.files;
    if (!file) return;
    setError(null);
    try {
      const made = await upload('scenarios', file, 'application/wasm', () => {});
      await load(made.digest);
      setPicked(made.digest);
    } catch (failed) {
      setError(failed);
    }
  };
  const put = async () => {
    try {
      await post(`runs/${encodeURIComponent(run.run)}/scenario`, { scenario: picked });
      toast('good', t('version_put'));
      onClose();
    } catch (failed) {
      setError(failed);
    }
  };
  return html`<${Dialog} title=${t('new_version')} onClose=${onClose} testid="version-dialog"><p>${t('version_hint')}</p>
    <div class="choices" role="radiogroup" aria-label=${t('versions')}>${all.map(
      (
        one,
      ) => html`<label class="choice"><input type="radio" name="version" checked=${picked === one.digest} onChange=${() => setPicked(one.digest)} />
      <b>${one.name} ${one.version ?? ''}</b> <code>${shortDigest(one.digest)}</code> <span class="muted">${date(one.uploaded_at)}</span></label>`,
    )}
      ${!all.length && html`<p class="none">${t('no_other_version')}</p>`}</div>
    <label class="button"><${Icon} name="upload" />${t('choose_file')}<input type="file" accept=".wasm,application/wasm" class="sr-only"
        onChange=${give} data-testid="version-file" /></label>
    ${error && html`<${Faults} error=${error} />`}
    <footer><button type="button" onClick=${onClose}>${t('cancel')}</button><button type="button" class="primary" disabled=${!picked} onClick=${put}
        data-testid="version-do">${t('put_version')}</button></footer><//>`;
}

/** @param {{run: import('../types').Run, onClose: () => void}} props @returns {import('../types').View} */
export function CompareDialog({ run, onClose }) {
  const [all, setAll] = useState(/** @type {import('../types').RunShort[] | null} */ (null));
  const [error, setError] = useState(/** @type {any} */ (null));
  useEffect(
    () =>
      void get('runs?limit=100')
        .then((answer) =>
          setAll(answer.runs.filter((/** @type {any} */ one) => one.run !== run.run && one.state === 'finished')),
        )
        .catch(setError),
    [],
  );
  /** @param {string} other */
  const pick = (other) => {
    onClose();
    go(`/runs/${run.run}/compare/${other}`);
  };
  return html`<${Dialog} title=${t('compare_with')} onClose=${onClose} testid="compare-dialog">
    ${error && html`<${Faults} error=${error} />`}
    <div class="choices">${(all ?? []).map(
      (
        one,
      ) => html`<button type="button" class="choice" onClick=${() => pick(one.run)}
          data-testid=${`baseline-${one.run}`}><b>${one.scenario}</b> <span>${date(one.started_at)}</span>
      <span class="muted">${rate(one.rps)}/s · p95 ${time(one.p95_ms)}</span>${one.note && html`<span class="muted">${one.note}</span>`}</button>`,
    )}
      ${all && !all.length && html`<p class="none">${t('no_other_run')}</p>`}</div><//>`;
}

/** By the name of the action. */
export const DIALOGS = { change: ChangeDialog, version: VersionDialog, compare: CompareDialog };
