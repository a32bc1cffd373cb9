// The values of the form, and the settings that they stand for. Runs in node as well.

/** @typedef {{duration: string, target: string}} Stage */

/** @param {Stage[]} stages @param {boolean} [rates] values are per second @returns {string} */
export function stagesText(stages, rates) {
  return stages
    .map(
      ({ duration, target }) => `${duration.trim() || '0s'}->${target.trim() || '0'}${rates && /^[\d.]+$/.test(target.trim()) ? '/s' : ''}`,
    )
    .join(', ');
}

/** @param {string} text @returns {Stage[]} */
export function stagesOf(text) {
  return text
    .split(',')
    .map((part) => part.split('->'))
    .filter((parts) => parts.length === 2)
    .map(([duration = '', target = '']) => ({ duration: duration.trim(), target: target.trim() }));
}

/** @typedef {'users' | 'stages' | 'arrivals' | 'arrival-stages' | 'iterations' | 'shape'} Model */
/**
 * @typedef {object} Values
 * @property {Model} model
 * @property {Record<string, string>} plain settings of one value, by key
 * @property {Record<string, boolean>} on switches, by key
 * @property {{duration: string, target: string}[]} stages of users
 * @property {{duration: string, target: string}[]} rates stages of arrivals per second
 * @property {string[]} thresholds
 * @property {Record<string, string>} params
 * @property {Record<string, string>} types weights, or `:5` for exactly five
 * @property {Record<string, {file: string, order?: string, lost?: string}>} data
 */

/** Settings that each load model uses; those of other models are left out. @type {Record<Model, string[]>} */
const OF_MODEL = {
  users: ['users', 'spawn-rate'],
  stages: ['stages'],
  arrivals: ['rate', 'poisson', 'max-users', 'preallocate', 'max-lag'],
  'arrival-stages': ['rate-stages', 'poisson', 'max-users', 'preallocate', 'max-lag'],
  iterations: ['users', 'iterations', 'per-user'],
  shape: [],
};
const LOAD = new Set(Object.values(OF_MODEL).flat());

/** @param {any} settings as pairs, as a map, or missing @returns {Record<string, any>} */
const map = (settings) => (Array.isArray(settings) ? Object.fromEntries(settings) : (settings ?? {}));

/**
 * What the form begins with: what the scenario proposes, or the settings of an earlier run.
 * @param {import('../types').Scenario} scenario @param {Record<string, any>} [earlier] @returns {Values}
 */
export function firstValues(scenario, earlier) {
  const given = { ...map(scenario.settings), ...earlier };
  const { params, data, thresholds, 'user-types': types, stages, 'rate-stages': rates, ...rest } = given;
  /** @type {Values} */
  const values = {
    model: stages
      ? 'stages'
      : rates
        ? 'arrival-stages'
        : rest.rate
          ? 'arrivals'
          : rest.iterations
            ? 'iterations'
            : scenario.has_load_shape && !rest.users
              ? 'shape'
              : 'users',
    plain: {},
    on: {},
    stages: stages
      ? stagesOf(String(stages))
      : [
          { duration: '30s', target: '100' },
          { duration: '2m', target: '100' },
          { duration: '15s', target: '0' },
        ],
    rates: rates
      ? stagesOf(String(rates))
      : [
          { duration: '30s', target: '100' },
          { duration: '2m', target: '100' },
        ],
    thresholds: Array.isArray(thresholds) ? thresholds.map(String) : [],
    params: { ...params },
    types: {},
    data: { ...data },
  };
  for (const [name, value] of Object.entries(map(types))) values.types[name] = String(value);
  for (const [key, value] of Object.entries(rest)) {
    if (value === true || value === 'true') values.on[key] = true;
    else if (typeof value === 'object' && value !== null)
      values.plain[key] = Array.isArray(value)
        ? value.join('\n')
        : Object.entries(value)
            .map((pair) => pair.join('='))
            .join('\n');
    else if (value !== false && value !== null && value !== 'false') values.plain[key] = String(value);
  }
  if (values.model === 'users' && !values.plain.users) values.plain.users = '10';
  return values;
}

/**
 * The keys and values of loadhost.toml that the form stands for. Empty fields are left out, so that defaults hold.
 * @param {Values} values @param {import('../types').Setting[]} table @returns {Record<string, any>}
 */
export function settingsOf(values, table) {
  const kinds = new Map(table.map((setting) => [setting.key, setting.kind]));
  const mine = OF_MODEL[values.model];
  /** @type {Record<string, any>} */
  const settings = {};
  for (const [key, text] of Object.entries(values.plain)) {
    const value = text.trim();
    if (!value || (LOAD.has(key) && !mine.includes(key))) continue;
    settings[key] = valued(value, kinds.get(key));
  }
  for (const [key, on] of Object.entries(values.on)) if (on && (!LOAD.has(key) || mine.includes(key))) settings[key] = true;
  if (values.model === 'stages') settings.stages = stagesText(values.stages);
  if (values.model === 'arrival-stages') settings['rate-stages'] = stagesText(values.rates, true);
  const thresholds = values.thresholds.map((text) => text.trim()).filter(Boolean);
  if (thresholds.length) settings.thresholds = thresholds;
  const params = filled(values.params);
  if (params) settings.params = params;
  const types = filled(values.types);
  if (types)
    settings['user-types'] = Object.fromEntries(
      Object.entries(types).map(([name, text]) => [name, /^\d+$/.test(text) ? Number(text) : text]),
    );
  const data = Object.entries(values.data).filter(([, set]) => set.file);
  if (data.length) settings.data = Object.fromEntries(data.map(([name, set]) => [name, filled(set)]));
  return settings;
}

/** @param {string} text @param {string | undefined} kind @returns {unknown} */
function valued(text, kind) {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);
  if (kind === 'list' || kind === 'many') return lines;
  if (kind === 'map')
    return Object.fromEntries(lines.map((line) => [line.slice(0, Math.max(0, line.indexOf('='))), line.slice(line.indexOf('=') + 1)]));
  return kind === 'integer' && /^\d{1,15}$/.test(text) ? Number(text) : text;
}

/** @param {Record<string, string | undefined>} given @returns {Record<string, string> | null} what is not empty */
function filled(given) {
  const entries = /** @type {[string, string][]} */ (
    Object.entries(given).filter(([, value]) => value !== undefined && String(value) !== '')
  );
  return entries.length ? Object.fromEntries(entries) : null;
}

/**
 * What may be remembered: nothing secret.
 * @param {Values} values @param {import('../types').Scenario} scenario @param {import('../types').Setting[]} table @returns {Values}
 */
export function withoutSecrets(values, scenario, table) {
  const secret = new Set(table.filter((setting) => setting.secret).map((setting) => setting.key));
  const params = Object.fromEntries(
    Object.entries(values.params).filter(([name]) => !scenario.parameters.some((one) => one.name === name && one.secret)),
  );
  // Headers may hold a token as well as anything else.
  const plain = Object.fromEntries(Object.entries(values.plain).filter(([key]) => !secret.has(key) && key !== 'headers'));
  return { ...values, params, plain };
}
