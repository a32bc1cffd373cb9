// The form of a run, made from what the scenario asks for and from the program's settings.
import { html } from '../ui.js';
import { fleet } from '../store.js';
import { t } from '../i18n.js';
import { count } from '../format.js';
import { Icon } from '../icons.js';
import { StagesEditor } from '../components/run-actions.js';
import { faultsOf, Field, FieldFaults, Switch } from './fields.js';
import { placement } from './placement.js';
import { thresholdText } from './scenarios.js';

/** @typedef {import('./values.js').Values} Values @typedef {import('../types').Fault} Fault @typedef {import('../types').Setting} Setting */
/**
 * @typedef {{values: Values, set: (part: Partial<Values>) => void, faults: Fault[], scenario: import('../types').Scenario, table: Setting[], sets: import('../types').DataSet[], planned: import('../types').Planned | null}} Form
 */

const IDEAS = [
  'http_req_duration p(95) < 500ms',
  'http_req_duration p(99) < 1s',
  'http_req_failed rate < 1%',
  'checks > 99%',
  'http_reqs rate > 100',
  'dropped_iterations count == 0',
];
/** Settings that have a place of their own in the form. */
const PLACED = new Set([
  'scenario',
  'host',
  'params',
  'data',
  'user-types',
  'users',
  'spawn-rate',
  'stages',
  'rate',
  'rate-stages',
  'poisson',
  'max-users',
  'preallocate',
  'max-lag',
  'iterations',
  'per-user',
  'run-time',
  'warm-up',
  'thresholds',
  'abort-after',
  'placement',
  'expect-workers',
  'phases',
]);

/** @param {Form} form @param {string} key @param {string} label @param {{placeholder?: string, help?: string, type?: string}} [more] */
function plain({ values, set, faults, table }, key, label, more = {}) {
  const setting = table.find((one) => one.key === key);
  return html`<${Field} name=${key} label=${label} value=${values.plain[key] ?? ''} faults=${faults} help=${more.help ?? ''}
      placeholder=${more.placeholder ?? setting?.default ?? ''} type=${more.type}
    onInput=${(/** @type {string} */ value) => set({ plain: { ...values.plain, [key]: value } })} />`;
}

/** @param {Form} form @param {string} key @param {string} label @param {string} [help] */
const toggle = ({ values, set, faults }, key, label, help) =>
  html`<${Switch} name=${key} label=${label} on=${values.on[key] ?? false} faults=${faults} help=${help}
      onChange=${(/** @type {boolean} */ on) => set({ on: { ...values.on, [key]: on } })} />`;

/** @param {{form: Form}} props @returns {import('../types').View} */
export function Target({ form }) {
  return html`<section class="card part"><h2>${t('target_and_parameters')}</h2><div
      class="fields">${plain(form, 'host', t('host'), { placeholder: 'http://localhost/', help: t('host_help'), type: 'url' })}
    ${form.scenario.parameters.map((one) => parameter(form, one))}</div></section>`;
}

/** @param {Form} form @param {import('../types').Parameter} one */
function parameter(form, one) {
  const { values, set, faults } = form;
  const key = `params.${one.name}`;
  const put = (/** @type {string} */ value) => set({ params: { ...values.params, [one.name]: value } });
  const choices = one.kind.startsWith('choice:') ? one.kind.slice(7).split('|') : one.kind === 'boolean' ? ['true', 'false'] : undefined;
  const now = values.params[one.name] ?? (choices && one.default != null ? one.default : '');
  return html`<${Field} key=${key} name=${key} label=${one.name} value=${now} onInput=${put} faults=${faults} help=${one.help} choices=${choices}
      required=${one.default == null} secret=${one.secret}
    placeholder=${one.secret ? (one.default == null ? '' : t('default_kept')) : (one.default ?? one.kind)}
        type=${one.kind === 'integer' || one.kind === 'number' ? 'number' : one.kind === 'url' ? 'url' : 'text'} />`;
}

/** @param {{form: Form}} props @returns {import('../types').View} */
export function Load({ form }) {
  const { values, set, faults, scenario } = form;
  const models = /** @type {[import('./values.js').Model, string, string][]} */ ([
    ['users', t('model_users'), t('model_users_help')],
    ['stages', t('model_stages'), t('model_stages_help')],
    ['arrivals', t('model_arrivals'), t('model_arrivals_help')],
    ['arrival-stages', t('model_arrival_stages'), t('model_arrival_stages_help')],
    ['iterations', t('model_iterations'), t('model_iterations_help')],
    ...(scenario.has_load_shape ? [['shape', t('load_shape'), t('own_shape')]] : []),
  ]);
  const open = values.model === 'arrivals' || values.model === 'arrival-stages';
  return html`<section class="card part"><h2>${t('load')}</h2>
    <div class="segmented models" role="group" aria-label=${t('load')}>${models.map(([id, label]) => html`<button type="button"
        aria-pressed=${values.model === id} onClick=${() => set({ model: id })} data-testid=${`model-${id}`}>${label}</button>`)}</div>
    <p class="muted small">${models.find(([id]) => id === values.model)?.[2]}</p>
    ${values.model === 'stages' && html`<${StagesEditor} stages=${values.stages} onChange=${(/** @type {any} */ stages) => set({ stages })}
        unit="users" /><${FieldFaults} faults=${faultsOf(faults, 'stages')} />`}
    ${values.model === 'arrival-stages' && html`<${StagesEditor} stages=${values.rates} onChange=${(/** @type {any} */ rates) => set({ rates })}
        unit="rate" /><${FieldFaults} faults=${faultsOf(faults, 'rate-stages')} />`}
    <div class="fields">
      ${(values.model === 'users' || values.model === 'iterations') && plain(form, 'users', t('users'), { type: 'number' })}
      ${values.model === 'users' && plain(form, 'spawn-rate', t('spawn_rate'), { placeholder: t('at_once'), type: 'number' })}
      ${values.model === 'arrivals' && plain(form, 'rate', t('arrival_rate'), { placeholder: '100/s' })}
      ${values.model === 'iterations' && html`${plain(form, 'iterations', t('iterations'), { type: 'number' })}${toggle(form, 'per-user', t('per_user'))}`}
      ${open && html`${plain(form, 'max-users', t('max_users'), { placeholder: t('as_needed'), type: 'number' })}${plain(form, 'max-lag', t('max_lag'), { help: t('max_lag_help') })}${toggle(form, 'poisson', t('poisson'), t('poisson_help'))}`}
      ${plain(form, 'run-time', t('run_time'), { placeholder: values.model === 'users' || values.model === 'arrivals' ? t('open_ended') : t('as_load_lasts') })}
      ${plain(form, 'warm-up', t('warm_up'), { placeholder: t('none'), help: t('warm_up_help') })}</div></section>`;
}

/** @param {{form: Form}} props @returns {import('../types').View} */
export function Types({ form }) {
  const { scenario, values, set, faults } = form;
  if (scenario.user_types.length < 2 && scenario.user_types[0]?.fixed_count == null) return null;
  return html`<section class="card part"><h2>${t('user_types')}</h2><p class="muted small">${t('user_types_help')}</p><div class="fields">${scenario.user_types.map(
    (type) => {
      const text = values.types[type.name] ?? '';
      const exact = text ? text.startsWith(':') : type.fixed_count != null;
      const put = (/** @type {boolean} */ fixed, /** @type {string} */ n) =>
        set({ types: { ...values.types, [type.name]: n ? `${fixed ? ':' : ''}${n}` : '' } });
      return html`<div class="with-unit"><${Field} name=${`user-types.${type.name}`} label=${type.name} type="number" value=${text.replace(':', '')}
          placeholder=${String(type.fixed_count ?? type.weight)} faults=${faults} onInput=${(/** @type {string} */ n) => put(exact, n)}
          help=${type.tasks.map((task) => task.name).join(', ')} />
      <select aria-label=${t('weight_or_count', { name: type.name })} value=${exact ? 'count' : 'weight'}
          onChange=${(/** @type {any} */ event) => put(event.target.value === 'count', text.replace(':', '') || String(type.fixed_count ?? type.weight))}><option value="weight">${t('weight')}</option><option value="count">${t('exact')}</option></select></div>`;
    },
  )}</div><${FieldFaults} faults=${faultsOf(faults, 'user-types')} /></section>`;
}

/** @param {{form: Form}} props @returns {import('../types').View} */
export function DataSets({ form }) {
  const { scenario, values, set, faults, sets } = form;
  if (!scenario.data_sets.length) return null;
  return html`<section class="card part"><h2>${t('data_sets')}</h2><p class="muted small">${t('data_help')}</p>${scenario.data_sets.map(
    (name) => {
      const one = values.data[name] ?? { file: '' };
      const put = (/** @type {any} */ part) => set({ data: { ...values.data, [name]: { ...one, ...part } } });
      const file = sets.find((found) => found.digest === one.file);
      return html`<div class="data-row"><${Choice} label=${name} testid=${`data-${name}`} value=${one.file}
          onChange=${(/** @type {string} */ digest) => put({ file: digest })}
          options=${[['', t('choose_data')], ...sets.map((found) => [found.digest, `${found.name} · ${t('n_rows', { n: count(found.rows) })}`])]} />
      <${Choice} label=${t('order')} value=${one.order ?? 'queue'} onChange=${(/** @type {string} */ order) => put({ order })} options=${[
        ['queue', t('order_queue')],
        ['circular', t('order_circular')],
        ['random', t('order_random')],
        ['user', t('order_user')],
      ]} />
      ${
        (one.order ?? 'queue') === 'queue' &&
        html`<${Choice} label=${t('when_lost')} value=${one.lost ?? 'withhold'} onChange=${(/** @type {string} */ lost) => put({ lost })} options=${[
          ['withhold', t('lost_withhold')],
          ['repeat', t('lost_repeat')],
        ]} />`
      }
      <${FieldFaults} faults=${faultsOf(faults, `data.${name}`)} />${file && preview(file)}</div>`;
    },
  )}<${FieldFaults} faults=${faultsOf(faults, 'data')} /></section>`;
}

/** @param {import('../types').DataSet} file */
const preview = (file) =>
  file.columns?.length
    ? html`<p class="muted small wide">${t('columns')}: ${file.columns.map((column) => html`<code class="tag">${column}</code>`)}</p>`
    : null;

/** @param {{label: string, value: string, onChange: (value: string) => void, options: string[][], testid?: string}} props */
const Choice = ({ label, value, onChange, options, testid }) =>
  html`<label class="field"><span>${label}</span><select value=${value} data-testid=${testid}
      onChange=${(/** @type {any} */ event) => onChange(event.target.value)}>${options.map(([id, word]) => html`<option value=${id}>${word}</option>`)}</select></label>`;

/** @param {{form: Form}} props @returns {import('../types').View} */
export function Thresholds({ form }) {
  const { values, set, faults, scenario } = form;
  const own = scenario.thresholds.map(thresholdText);
  const mine = faults.filter((fault) => fault.key === 'thresholds' || fault.key?.startsWith('thresholds.'));
  return html`<section class="card part"><h2>${t('thresholds')}</h2>
    ${own.length > 0 && html`<p class="muted small">${t('thresholds_own')} ${own.map((text) => html`<code class="tag">${text}</code>`)}</p>`}
    ${values.thresholds.map(
      (
        text,
        n,
      ) => html`<div class="row threshold"><input aria-label=${t('threshold_n', { n: n + 1 })} value=${text} list="threshold-ideas"
          spellcheck="false" placeholder=${IDEAS[0]} data-testid=${`threshold-${n}`} aria-invalid=${mine.length ? 'true' : undefined}
      onInput=${(/** @type {any} */ event) => set({ thresholds: values.thresholds.map((one, at) => (at === n ? event.target.value : one)) })} /><button type="button" class="ghost" aria-label=${t('remove_threshold', { n: n + 1 })} onClick=${() => set({ thresholds: values.thresholds.filter((_, at) => at !== n) })}><${Icon} name="close" /></button></div>`,
    )}
    <datalist id="threshold-ideas">${IDEAS.map((idea) => html`<option value=${idea}></option>`)}</datalist>
    <${FieldFaults} faults=${mine} />
    <div class="row"><button type="button" class="small" onClick=${() => set({ thresholds: [...values.thresholds, ''] })}
        data-testid="add-threshold"><${Icon} name="plus" />${t('add_threshold')}</button></div>
    ${(values.thresholds.length > 0 || own.length > 0) && html`<div
        class="fields">${plain(form, 'abort-after', t('abort_after'), { placeholder: t('never'), help: t('abort_after_help') })}</div>`}</section>`;
}

/** @param {{form: Form}} props @returns {import('../types').View} */
export function Fleet({ form }) {
  const workers = Object.values(fleet.value?.workers ?? {}).filter((worker) => worker.liveness === 'alive' && !worker.draining);
  const matches = placement(form.values.plain.placement ?? '');
  const found = matches ? workers.filter((worker) => matches(worker.tags ?? {})) : null;
  return html`<section class="card part"><h2>${t('fleet')}</h2><div
      class="fields">${plain(form, 'placement', t('placement'), { placeholder: 'region=eu && type!=small', help: t('placement_help') })}${plain(form, 'expect-workers', t('expect_workers'), { type: 'number' })}</div>
    <p class="small" role="status" data-testid="matching">${found === null ? t('placement_unreadable') : html`<b
        class=${found.length ? '' : 'bad'}>${t('n_matching', { n: found.length, all: workers.length })}</b> <span
        class="muted">${t('room_for', { n: count(found.reduce((sum, worker) => sum + worker.capacity, 0)) })}</span>`}</p></section>`;
}

/** All other settings, as the server lists them. @param {{form: Form}} props @returns {import('../types').View} */
export function Others({ form }) {
  const { table, values, set, faults } = form;
  const rest = table.filter((setting) => !PLACED.has(setting.key));
  const groups = [...new Set(rest.map((setting) => setting.group))];
  const used = rest.filter((setting) => values.plain[setting.key] || values.on[setting.key]).length;
  const bad = rest.some((setting) => faults.some((fault) => fault.key?.split('.')[0] === setting.key));
  return html`<details class="card part others" open=${bad || undefined}
      data-testid="other-settings"><summary><h2>${t('other_settings')}</h2>${used > 0 && html`<span class="count">${used}</span>`}</summary>
    ${groups.map(
      (group) =>
        html`<h3>${group}</h3><div class="fields">${rest
          .filter((setting) => setting.group === group)
          .map((setting) => {
            if (setting.kind === 'switch') return toggle(form, setting.key, setting.key, setting.help);
            const many = ['list', 'map', 'many'].includes(setting.kind);
            const choices = /** @type {any} */ (setting).choices;
            return html`<${Field} key=${setting.key} name=${setting.key} label=${setting.key} value=${values.plain[setting.key] ?? ''}
                help=${setting.help} faults=${faults.map((fault) => (fault.key?.startsWith(`${setting.key}.`) ? { ...fault, key: setting.key } : fault))} secret=${setting.secret && !many} lines=${many}
        choices=${choices?.length ? ['', ...choices] : undefined} placeholder=${setting.default ?? /** @type {any} */ (setting).placeholder ?? ''}
            onInput=${(/** @type {string} */ value) => set({ plain: { ...values.plain, [setting.key]: value } })} />`;
          })}</div>`,
    )}</details>`;
}
