// Upload a scenario, see what it contains, fill in the form, start.
import '../more.js';
import { html, useEffect, useMemo, useRef, useState } from '../ui.js';
import { expect, go, may, onlyWatches, remember, remembered, route, runs, session, toast } from '../store.js';
import { get, post } from '../api.js';
import { t } from '../i18n.js';
import { span } from '../format.js';
import { Icon } from '../icons.js';
import { Copy, Faults, faultsIn } from '../components/basics.js';
import { Curve } from '../new-run/fields.js';
import { DataSets, Fleet, Load, Others, Target, Thresholds, Types } from '../new-run/form.js';
import { DropZone, ScenarioCard, ScenarioList, scenarioOf, send } from '../new-run/scenarios.js';
import { firstValues, settingsOf, withoutSecrets } from '../new-run/values.js';

/** @typedef {import('../types').Scenario} Scenario @typedef {import('../new-run/values.js').Values} Values */

const MASTER = 'loadhost master';
const BUILD = 'loadhost new my-shop && cd my-shop && loadhost build';
/** How long somebody must not have typed before the plan is asked for, in milliseconds. */
const PAUSE = 300;

/** @returns {import('../types').View} */
export function View() {
  const [scenarios, setScenarios] = useState(/** @type {Scenario[] | null} */ (null));
  const [sets, setSets] = useState(/** @type {import('../types').DataSet[]} */ ([]));
  const [table, setTable] = useState(/** @type {import('../types').Setting[] | null} */ (null));
  const [digest, setDigest] = useState(route.value.query.get('scenario') ?? '');
  const [error, setError] = useState(/** @type {any} */ (null));
  const [rejected, setRejected] = useState(/** @type {{name: string, error: any} | null} */ (null));
  const [busy, setBusy] = useState(/** @type {number | null} */ (null));

  const load = async () => {
    const [found, files, settings] = await Promise.all([get('scenarios'), get('data-sets'), get('settings')]);
    setScenarios((found.scenarios).map(scenarioOf));
    setSets(files.data_sets);
    setTable(settings.settings);
  };
  useEffect(() => void load().catch(setError), []);

  /** @param {File[]} files */
  const take = async (files) => {
    setRejected(null);
    for (const file of files) {
      setBusy(0);
      try {
        const { kind, answer } = await send(file, setBusy);
        await load();
        if (kind === 'scenario') setDigest(answer.digest);
        toast('good', t('uploaded_file', { name: file.name }));
      } catch (failed) {
        setRejected({ name: file.name, error: failed });
      }
    }
    setBusy(null);
  };
  useEffect(() => dropAnywhere((files) => void take(files)), []);

  if (session.value?.single_run)
    return html`<section class="card empty"><h1>${t('new_run')}</h1><p>${t('single_run')}</p><code>${MASTER}</code></section>`;
  if (error)
    return html`<section class="card empty"><h1>${t('new_run')}</h1><${Faults} error=${error} /><button type="button" onClick=${() => {
      setError(null);
      void load().catch(setError);
    }}>${t('retry_now')}</button></section>`;
  if (!scenarios || !table) return html`<p class="loading">${t('loading')}</p>`;
  const scenario = scenarios.find((one) => one.digest === digest) ?? null;
  const refused = rejected?.error.body?.user_types?.length ? scenarioOf(rejected.error.body) : null;
  return html`<div class="new-run">
    <aside class="pick"><h1>${t('new_run')}</h1>
      ${may('operate') && html`<${DropZone} onFiles=${take} busy=${busy} />`}
      ${rejected && html`<div data-testid="rejected"><p><b>${t('rejected', { name: rejected.name })}</b></p><${Faults} error=${rejected.error} /></div>`}
      <${ScenarioList} all=${scenarios} digest=${digest} onPick=${(/** @type {string} */ picked) => {
        setRejected(null);
        setDigest(picked);
      }} onGone=${() => void load().catch(setError)} /></aside>
    ${
      refused
        ? html`<div class="form"><${ScenarioCard} one=${refused} others=${[]} /></div>`
        : scenario
          ? html`<${Form} key=${digest} scenario=${scenario} others=${scenarios.filter((one) => one.name === scenario.name && one.digest !== digest)}
              table=${table} sets=${sets} />`
          : html`<section class="card empty hint"><${Icon} name="file"
              size=${28} /><p>${scenarios.length ? t('pick_scenario') : t('upload_first')}</p><code>${BUILD}</code></section>`
    }
  </div>`;
}

/** Files may be dropped anywhere on the view. @param {(files: File[]) => void} take @returns {() => void} */
function dropAnywhere(take) {
  const over = (/** @type {DragEvent} */ event) => event.preventDefault();
  const drop = (/** @type {DragEvent} */ event) => {
    if (event.defaultPrevented) return;
    event.preventDefault();
    const files = [...(event.dataTransfer?.files ?? [])];
    if (files.length) take(files);
  };
  addEventListener('dragover', over);
  addEventListener('drop', drop);
  return () => {
    removeEventListener('dragover', over);
    removeEventListener('drop', drop);
  };
}

/** @param {{scenario: Scenario, others: Scenario[], table: import('../types').Setting[], sets: import('../types').DataSet[]}} props */
function Form({ scenario, others, table, sets }) {
  const memory = `form.${scenario.name}`;
  const [values, setValues] = useState(() => ({ ...firstValues(scenario), ...remembered(memory, /** @type {Partial<Values>} */ ({})) }));
  const [planned, setPlanned] = useState(/** @type {import('../types').Planned | null} */ (null));
  const [faults, setFaults] = useState(/** @type {import('../types').Fault[]} */ ([]));
  const [starting, setStarting] = useState(false);
  const [touched, setTouched] = useState(false);
  const note = useRef(/** @type {HTMLInputElement | null} */ (null));
  const settings = useMemo(() => settingsOf(values, table), [values, table]);
  const wanted = JSON.stringify(settings);
  /** @param {Partial<Values>} part */
  const set = (part) => {
    setTouched(true);
    setValues((was) => ({ ...was, ...part }));
  };
  useEffect(() => {
    if (touched) remember(memory, withoutSecrets(values, scenario, table));
    const abort = new AbortController();
    const timer = setTimeout(() => {
      post('plans', { scenario: scenario.digest, settings }).then(
        (answer) => {
          if (abort.signal.aborted) return;
          setPlanned(answer);
          setFaults(answer.faults ?? []);
        },
        (failed) =>
          !abort.signal.aborted && setFaults(faultsIn(failed)),
      );
    }, PAUSE);
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [wanted, scenario.digest]);
  const start = async () => {
    setStarting(true);
    try {
      const text = note.current?.value.trim();
      const { run } = await post('runs', { scenario: scenario.digest, settings, ...(text ? { note: text } : {}) });
      remember(memory, withoutSecrets(values, scenario, table));
      expect(run);
      go(`/runs/${run}`);
    } catch (error) {
      setFaults(faultsIn(error));
      setStarting(false);
    }
  };
  const form = { values, set, faults, scenario, table, sets, planned };
  const loose = faults.filter((fault) => !fault.key || !isPlaced(fault.key, scenario, table));
  const going = Object.values(runs.value).some((run) => run.state !== 'finished');
  return html`<div class="form" data-testid="form">
      <${ScenarioCard} one=${scenario} others=${others} />
      ${!scenario.faults.length && html`<${Target} form=${form} /><${Load} form=${form} /><${Types} form=${form} /><${DataSets}
          form=${form} /><${Thresholds} form=${form} /><${Fleet} form=${form} /><${Others} form=${form} />`}</div>
    ${
      !scenario.faults.length &&
      html`<aside class="plan"><section class="card part"><h2>${t('preview')}</h2><${Curve} plan=${faults.length ? null : planned} />
        ${planned?.length_seconds && !planned.curve?.points?.length && !faults.length ? html`<p class="muted small">${t('length')}: ${span(planned.length_seconds)}</p>` : null}
        <${Faults} faults=${loose} />
        ${faults.length > loose.length && html`<p class="fault" data-testid="form-faults">${t('n_faults_form', { n: faults.length - loose.length })}</p>`}
        <label class="field"><span>${t('note')}</span><input ref=${note} maxlength="4000" placeholder=${t('note_hint')} data-testid="run-note" /></label>
        ${going && html`<p class="muted small">${t('another_goes_on')}</p>`}
        ${
          onlyWatches()
            ? html`<p class="muted" data-testid="only-watch">${t('only_watch')}</p>`
            : html`<button type="button" class="primary big" disabled=${starting || faults.length > 0} onClick=${start}
            data-testid="start"><${Icon} name="play" />${starting ? t('starting') : t('start')}</button>`
        }</section>
      ${planned?.command && !faults.length && html`<section class="card part command"><header><h2>${t('command_line')}</h2><${Copy}
          text=${planned.command} label=${t('copy')} /></header><pre data-testid="command">${planned.command}</pre></section>`}</aside>`
    }`;
}

/** Whether a fault is shown beside a field. @param {string} key @param {Scenario} scenario @param {import('../types').Setting[]} table @returns {boolean} */
function isPlaced(key, scenario, table) {
  const [head = '', ...rest] = key.split('.');
  const name = rest.join('.');
  if (head === 'params') return scenario.parameters.some((one) => one.name === name);
  if (head === 'user-types') return scenario.user_types.length > 1;
  if (head === 'data') return scenario.data_sets.length > 0;
  return head === 'host' || head === 'thresholds' || table.some((one) => one.key === head);
}
