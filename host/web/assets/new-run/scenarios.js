// Scenarios that were uploaded: choosing, uploading, what each contains, versions side by side.
import { html, useState } from '../ui.js';
import { may, toast } from '../store.js';
import { remove, upload } from '../api.js';
import { t } from '../i18n.js';
import { bytes, date, percent, shortDigest } from '../format.js';
import { Icon } from '../icons.js';
import { Confirm, Faults } from '../components/basics.js';

/** @typedef {import('../types').Scenario} Scenario */

/** One form for what the API says of a scenario. @param {any} raw @returns {Scenario} */
export function scenarioOf(raw) {
  const said = raw.description ?? raw;
  return {
    user_types: [],
    thresholds: [],
    data_sets: [],
    hosts: [],
    parameters: [],
    settings: {},
    has_load_shape: false,
    version: null,
    sdk: null,
    ...said,
    name: said.name ?? raw.file_name ?? shortDigest(raw.digest),
    digest: raw.digest,
    size_bytes: raw.size_bytes ?? raw.size ?? raw.inspection?.size ?? 0,
    uploaded_at: raw.uploaded_at ?? raw.uploaded ?? null,
    contract: raw.contract ?? raw.inspection?.contract,
    faults: raw.faults ?? [],
  };
}

/** @param {any} sdk @returns {string} */
const sdkWord = (sdk) =>
  Array.isArray(sdk) ? sdk.join(' ') : sdk && typeof sdk === 'object' ? `${sdk.name ?? ''} ${sdk.version ?? ''}` : String(sdk ?? '');
/** @param {any} threshold @returns {string} */
export const thresholdText = (threshold) => (typeof threshold === 'string' ? threshold : threshold.text);

/**
 * Takes files by dropping or choosing.
 * @param {{onFiles: (files: File[]) => void, busy: number | null}} props busy: from 0 to 1
 * @returns {import('../types').View}
 */
export function DropZone({ onFiles, busy }) {
  const [over, setOver] = useState(false);
  /** @param {DragEvent} event */
  const drop = (event) => {
    event.preventDefault();
    setOver(false);
    onFiles([...(event.dataTransfer?.files ?? [])]);
  };
  return html`<label class=${`drop ${over ? 'over' : ''}`} data-testid="drop" onDrop=${drop} onDragLeave=${() => setOver(false)} onDragOver=${(
    /** @type {DragEvent} */ event,
  ) => {
    event.preventDefault();
    setOver(true);
  }}>
    <${Icon} name="upload" size=${20} /><span><b>${t('drop_here')}</b><small>${t('drop_what')}</small></span>
    <input type="file" multiple class="sr-only" accept=".wasm,.csv,.jsonl,.ndjson,.json" data-testid="file" onChange=${(
      /** @type {any} */ event,
    ) => {
      onFiles([...event.target.files]);
      event.target.value = '';
    }} />
    ${busy !== null && html`<progress max="1" value=${busy < 1 ? busy : undefined} aria-label=${t('uploading')}></progress>`}</label>`;
}

/** Sends a scenario or a file of data. @param {File} file @param {(share: number) => void} progress @returns {Promise<{kind: 'scenario' | 'data', answer: any}>} */
export async function send(file, progress) {
  if (/\.(csv|jsonl|ndjson|json)$/i.test(file.name)) {
    const type = /\.csv$/i.test(file.name) ? 'text/csv' : 'application/x-ndjson';
    return { kind: 'data', answer: await upload(`data-sets?name=${encodeURIComponent(file.name)}`, file, type, progress) };
  }
  return { kind: 'scenario', answer: await upload(`scenarios?name=${encodeURIComponent(file.name)}`, file, 'application/wasm', progress) };
}

/** @param {{all: Scenario[], digest: string, onPick: (digest: string) => void, onGone: () => void}} props @returns {import('../types').View} */
export function ScenarioList({ all, digest, onPick, onGone }) {
  const [doomed, setDoomed] = useState(/** @type {Scenario | null} */ (null));
  /** @type {Map<string, Scenario[]>} */
  const names = new Map();
  for (const one of all) names.set(one.name, [...(names.get(one.name) ?? []), one]);
  const drop = async () => {
    try {
      await remove(`scenarios/${doomed?.digest}`);
      onGone();
    } catch (error) {
      toast('bad', /** @type {any} */ (error).message, /** @type {any} */ (error).hint);
    }
  };
  return html`<div class="scenario-list" role="radiogroup" aria-label=${t('scenarios')} data-testid="scenarios">${[...names].map(
    ([name, versions]) => html`
    <div class="scenario-group" key=${name}><h3>${name}</h3>${versions.map(
      (one) => html`<label key=${one.digest} class=${`version ${one.digest === digest ? 'on' : ''}`}>
      <input type="radio" name="scenario" checked=${one.digest === digest} onChange=${() => onPick(one.digest)} data-testid=${`scenario-${one.digest}`} />
      <span><b>${one.version ?? t('no_version')}</b> <code class="muted">${shortDigest(one.digest)}</code><small class="muted">${date(one.uploaded_at)}</small></span>
      ${one.faults.length > 0 && html`<span class="pill bad">${t('n_faults', { n: one.faults.length })}</span>`}
      ${may('operate') && html`<button type="button" class="ghost small"
          aria-label=${t('delete_version', { name, version: one.version ?? shortDigest(one.digest) })} onClick=${() => setDoomed(one)}><${Icon}
          name="trash" size=${14} /></button>`}</label>`,
    )}</div>`,
  )}
    ${!all.length && html`<p class="none">${t('no_scenarios')}</p>`}
    ${doomed && html`<${Confirm} title=${t('delete')} text=${t('delete_scenario', { name: `${doomed.name} ${doomed.version ?? ''}` })}
        action=${t('delete')} danger onDo=${drop} onClose=${() => setDoomed(null)} />`}</div>`;
}

/** Rows that also stand in the heading. */
const META = 6;

/** What a scenario contains, as rows of a table. @param {Scenario} one @returns {[string, string[]][]} */
function facts(one) {
  const total = one.user_types.filter((type) => type.fixed_count == null).reduce((sum, type) => sum + type.weight, 0);
  return [
    [t('version'), [one.version ?? t('no_version')]],
    [t('digest'), [shortDigest(one.digest)]],
    [t('sdk'), [sdkWord(one.sdk)]],
    [t('contract'), [one.contract ?? '']],
    [t('size'), [bytes(one.size_bytes)]],
    [t('uploaded'), [date(one.uploaded_at)]],
    [
      t('user_types'),
      one.user_types.map(
        (type) => `${type.name} ${type.fixed_count != null ? t('exactly', { n: type.fixed_count }) : percent(type.weight / (total || 1))}`,
      ),
    ],
    [
      t('tasks'),
      one.user_types.flatMap((type) =>
        type.tasks.map(
          (task) =>
            `${one.user_types.length > 1 ? `${type.name}: ` : ''}${task.name} × ${task.weight}${task.tags?.length ? ` [${task.tags.join(', ')}]` : ''}`,
        ),
      ),
    ],
    [
      t('parameters'),
      one.parameters.map(
        (one) => `${one.name}: ${one.kind}${one.default == null ? ` (${t('required')})` : one.secret ? '' : ` = ${one.default}`}`,
      ),
    ],
    [t('thresholds'), one.thresholds.map(thresholdText)],
    [t('data_sets'), one.data_sets],
    [t('hosts'), one.hosts],
    [
      t('proposes'),
      (Array.isArray(one.settings) ? one.settings : Object.entries(one.settings ?? {})).map(
        (/** @type {any} */ pair) => `${pair[0]} = ${pair[1]}`,
      ),
    ],
    ...(one.has_load_shape ? /** @type {[string, string[]][]} */ ([[t('load_shape'), [t('own_shape')]]]) : []),
  ];
}

/** @param {{one: Scenario, others: Scenario[]}} props others: versions of the same scenario @returns {import('../types').View} */
export function ScenarioCard({ one, others }) {
  const [beside, setBeside] = useState('');
  const other = others.find((version) => version.digest === beside) ?? null;
  const mine = facts(one);
  const theirs = other && new Map(facts(other));
  const meta = [
    shortDigest(one.digest),
    sdkWord(one.sdk),
    one.contract && t('contract_is', { n: one.contract }),
    bytes(one.size_bytes),
    date(one.uploaded_at),
  ].filter(Boolean);
  return html`<section class="card scenario" data-testid="scenario-card" aria-label=${one.name}><header><h2>${one.name} <span
      class="muted">${one.version ?? ''}</span></h2><p class="muted small" title=${one.digest}>${meta.join(' · ')}</p>
      ${others.length > 0 && html`<label class="inline">${t('beside')} <select value=${beside}
          onChange=${(/** @type {any} */ event) => setBeside(event.target.value)} data-testid="beside"><option
          value="">${t('nothing')}</option>${others.map((version) => html`<option
          value=${version.digest}>${version.version ?? ''} ${shortDigest(version.digest)}</option>`)}</select></label>`}</header>
    <${Faults} faults=${one.faults} />
    <table class="contents"><tbody>${mine
      .slice(theirs ? 0 : META)
      .filter(([name, values]) => values.join('') || theirs?.get(name)?.join(''))
      .map(([name, values]) => {
        const before = theirs?.get(name);
        const differs = before && before.join() !== values.join();
        return html`<tr class=${differs ? 'differs' : ''}><th scope="row">${name}</th><td>${lines(values)}</td>${before && html`<td
            class="other">${lines(before)}</td>`}</tr>`;
      })}</tbody></table></section>`;
}

/** @param {string[]} values */
const lines = (values) => values.map((value) => html`<div>${value}</div>`);
