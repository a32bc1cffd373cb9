// Parts of the form: a field with what is wrong beside it, and the load as a curve.
import { html } from '../ui.js';
import { t } from '../i18n.js';
import { clock, count, short, span } from '../format.js';
import { Icon } from '../icons.js';

/** @typedef {import('../types').Fault} Fault */

/** Faults of a setting, or of what stands below it in a map. @param {Fault[]} faults @param {string} key @returns {Fault[]} */
export const faultsOf = (faults, key) => faults.filter((fault) => fault.key === key);

/** @param {{faults: Fault[]}} props @returns {import('../types').View} */
export function FieldFaults({ faults }) {
  return html`${faults.map((fault) => html`<span class="fault" role="alert"><b>${fault.message}</b> ${fault.hint ?? ''}</span>`)}`;
}

/**
 * @param {{name: string, label: string, value: string, onInput: (value: string) => void, help?: string, faults: Fault[], placeholder?: string | undefined, type?: string, required?: boolean,
 *   secret?: boolean, choices?: string[] | undefined, lines?: boolean}} props
 * @returns {import('../types').View}
 */
export function Field({ name, label, value, onInput, help, faults, placeholder, type, required, secret, choices, lines }) {
  const mine = faultsOf(faults, name);
  const bad = mine.length ? 'true' : undefined;
  const input = (/** @type {any} */ event) => onInput(event.target.value);
  const id = `f-${name}`;
  const common = {
    id,
    value,
    placeholder: placeholder ?? '',
    'aria-invalid': bad,
    'aria-describedby': `${id}-help`,
    'data-testid': `field-${name}`,
  };
  const control = choices
    ? html`<select ...${common} onChange=${input}>${!value && html`<option value=""></option>`}${choices.map((choice) => html`<option
        value=${choice}>${choice}</option>`)}</select>`
    : lines
      ? html`<textarea ...${common} rows="2" onInput=${input}></textarea>`
      : html`<input ...${common} type=${secret ? 'password' : (type ?? 'text')} autocomplete=${secret ? 'new-password' : 'off'} spellcheck="false"
          aria-required=${required ? 'true' : undefined} onInput=${input} />`;
  return html`<div class="field"><label for=${id}>${label}${required && html` <i class="required"
      title=${t('required')}>*</i>`}${secret && html` <${Icon} name="lock" size=${12} label=${t('secret')} />`}</label>
    ${control}<small id=${`${id}-help`}>${help ?? ''}<${FieldFaults} faults=${mine} /></small></div>`;
}

/** @param {{name: string, label: string, on: boolean, onChange: (on: boolean) => void, help?: string, faults: Fault[]}} props @returns {import('../types').View} */
export function Switch({ name, label, on, onChange, help, faults }) {
  return html`<div class="field switch"><label><input type="checkbox" checked=${on}
      onChange=${(/** @type {any} */ event) => onChange(event.target.checked)} data-testid=${`field-${name}`} /> ${label}</label>
    <small>${help ?? ''}<${FieldFaults} faults=${faultsOf(faults, name)} /></small></div>`;
}

const WIDTH = 360;
const HEIGHT = 150;
const LEFT = 40;
const BOTTOM = 20;

/** @param {{plan: import('../types').Planned | null}} props @returns {import('../types').View} */
export function Curve({ plan }) {
  const curve = plan?.curve;
  if (!curve?.points?.length)
    return html`<div class="curve none" data-testid="curve-none">${plan?.iterations ? t('n_iterations', { n: count(plan.iterations) }) : plan?.command ? t('curve_unknown') : t('curve_none')}</div>`;
  const last = curve.points[curve.points.length - 1] ?? [0, 0];
  // What holds until somebody stops it is drawn on for a while.
  const points = curve.open_ended ? [...curve.points, /** @type {[number, number]} */ ([Math.max(60, last[0] * 1.3), last[1]])] : curve.points;
  const end = Math.max(1, points[points.length - 1]?.[0] ?? 1);
  const high = Math.max(1e-9, ...points.map(([, value]) => value));
  const x = (/** @type {number} */ second) => LEFT + (second / end) * (WIDTH - LEFT - 8);
  const y = (/** @type {number} */ value) => HEIGHT - BOTTOM - (value / (high * 1.08)) * (HEIGHT - BOTTOM - 8);
  const line = points.map(([second, value], n) => `${n ? 'L' : 'M'}${x(second).toFixed(1)} ${y(value).toFixed(1)}`).join('');
  const unit = curve.unit === 'users' ? t('unit_users') : t('unit_per_second');
  const what = t('curve_is', { high: short(high), unit, time: curve.open_ended ? t('open_ended') : span(end) });
  return html`<figure class="curve" data-testid="curve"><svg viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label=${what}>
      ${[0, 0.5, 1].map((part) => html`<line class="grid" x1=${LEFT} x2=${WIDTH - 8} y1=${y(high * part)} y2=${y(high * part)} /><text x=${LEFT - 6}
          y=${y(high * part) + 4} text-anchor="end">${short(high * part)}</text>`)}
      ${[0, 0.5, 1].map((part) => html`<text x=${x(end * part)} y=${HEIGHT - 5}
          text-anchor=${part ? (part === 1 ? 'end' : 'middle') : 'start'}>${part === 1 && curve.open_ended ? '∞' : clock(end * part)}</text>`)}
      <path class="area" d=${`${line}L${x(end).toFixed(1)} ${y(0)}L${x(points[0]?.[0] ?? 0).toFixed(1)} ${y(0)}Z`} /><path class="line" d=${line} /></svg>
    <figcaption class="muted small">${what}</figcaption></figure>`;
}
