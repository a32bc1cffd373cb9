// Fields of the form: a label, an input, help, and what is wrong beside it.
import { html } from '../ui.js';
import { t } from '../i18n.js';
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
  const common = { id, value, placeholder: placeholder ?? '', 'aria-invalid': bad, 'aria-describedby': `${id}-help`, 'data-testid': `field-${name}` };
  const control = choices ? html`<select ...${common} onChange=${input}>${!value && html`<option value=""></option>`}${choices.map((choice) => html`<option value=${choice}>${choice}</option>`)}</select>`
    : lines ? html`<textarea ...${common} rows="2" onInput=${input}></textarea>`
      : html`<input ...${common} type=${secret ? 'password' : (type ?? 'text')} autocomplete=${secret ? 'new-password' : 'off'} spellcheck="false" aria-required=${required ? 'true' : undefined} onInput=${input} />`;
  return html`<div class="field"><label for=${id}>${label}${required && html` <i class="required" title=${t('required')}>*</i>`}${secret && html` <${Icon} name="lock" size=${12} label=${t('secret')} />`}</label>
    ${control}<small id=${`${id}-help`}>${help ?? ''}<${FieldFaults} faults=${mine} /></small></div>`;
}

/** @param {{name: string, label: string, on: boolean, onChange: (on: boolean) => void, help?: string, faults: Fault[]}} props @returns {import('../types').View} */
export function Switch({ name, label, on, onChange, help, faults }) {
  return html`<div class="field switch"><label><input type="checkbox" checked=${on} onChange=${(/** @type {any} */ event) => onChange(event.target.checked)} data-testid=${`field-${name}`} /> ${label}</label>
    <small>${help ?? ''}<${FieldFaults} faults=${faultsOf(faults, name)} /></small></div>`;
}
