// Small parts of every view: states, faults, dialogs, copying.
import { html, useEffect, useRef, useState } from '../ui.js';
import { t } from '../i18n.js';
import { Icon } from '../icons.js';

/** @type {Record<string, import('../i18n.js').Key>} */
const STATES = {
  waiting: 'state_waiting',
  preparing: 'state_preparing',
  'setting-up': 'state_setting_up',
  starting: 'state_starting',
  running: 'state_running',
  stopping: 'state_stopping',
  'tearing-down': 'state_tearing_down',
  finished: 'state_finished',
};
/** @type {Record<string, import('../i18n.js').Key>} */
const REASONS = {
  completed: 'ended_completed',
  'stopped-by-user': 'ended_stopped',
  'threshold-abort': 'ended_threshold',
  'aborted-by-scenario': 'ended_scenario',
  'worker-failed': 'ended_worker',
  interrupted: 'ended_interrupted',
};

/** @param {string} state @returns {string} */
export function stateWord(state) {
  const key = STATES[state];
  return key ? t(key) : state;
}

/** Why a run is over. @param {{reason: string} & Record<string, any>} ended @returns {string} */
export function endWord(ended) {
  const key = REASONS[ended.reason];
  const plain = ended.reason === 'completed' || ended.reason === 'stopped-by-user';
  return (key ? t(key) : ended.reason) + (ended.message && !plain ? `: ${ended.message}` : '');
}

/** @param {{run: {state: string, ended?: {reason: string} | null, passed?: boolean | null}}} props @returns {import('../types').View} */
export function StatePill({ run }) {
  const over = run.state === 'finished';
  const failed =
    over && (run.passed === false || ['threshold-abort', 'aborted-by-scenario', 'worker-failed'].includes(run.ended?.reason ?? ''));
  const kind = run.state === 'running' ? 'live' : over ? (failed ? 'bad' : run.passed && run.ended?.reason === 'completed' ? 'good' : 'calm') : 'warn';
  const word =
    over && run.passed === false
      ? t('failed')
      : over && run.passed && run.ended?.reason === 'completed'
        ? t('passed')
        : over && run.ended
          ? t(REASONS[run.ended.reason] ?? 'state_finished')
          : stateWord(run.state);
  return html`<span class=${`pill ${kind}`} data-testid="run-state" data-state=${run.state}><i class="dot"></i>${word}</span>`;
}

/** What comes in a row, or each under a key. @template T @param {Record<string, T> | T[] | undefined} all @returns {T[]} */
export const list = (all) => (Array.isArray(all) ? all : Object.values(all ?? {}));

/** @param {import('../types').Run} run @returns {import('../types').Threshold[]} */
export const thresholdsOf = (run) => list(run.thresholds);

/** @param {import('../types').Run} run @returns {import('../types').Note[]} */
export const notesOf = (run) => list(run.notes);

/** What is wrong, fault by fault. @param {any} error @returns {import('../types').Fault[]} */
export const faultsIn = (error) => (error.faults?.length ? error.faults : [error]);

/**
 * @param {{error?: any, faults?: import('../types').Fault[]}} props an error of the API, or faults
 * @returns {import('../types').View}
 */
export function Faults({ error, faults }) {
  const all = faults ?? (error ? faultsIn(error) : []);
  if (!all.length) return null;
  return html`<ul class="faults" role="alert" data-testid="faults">${all.map(
    (/** @type {import('../types').Fault} */ fault) => html`
    <li><${Icon} name="fault" /><div><b>${fault.key ? `${fault.key}: ` : ''}${fault.message}</b>${fault.hint && html`<p>${fault.hint}</p>`}${fault.code && html`<code class="muted">${fault.code}</code>`}</div></li>`,
  )}</ul>`;
}

/**
 * @param {{title: string, onClose: () => void, children?: any, testid?: string, wide?: boolean}} props
 * @returns {import('../types').View}
 */
export function Dialog({ title, onClose, children, testid, wide }) {
  const ref = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useEffect(() => {
    const dialog = ref.current;
    if (dialog && !dialog.open) dialog.showModal();
  }, []);
  return html`<dialog ref=${ref} class=${wide ? 'wide' : ''} aria-label=${title} data-testid=${testid} onClose=${onClose}
      onClick=${(/** @type {MouseEvent} */ event) => event.target === ref.current && onClose()}>
    <div class="dialog-box">
      <header><h2>${title}</h2><button type="button" class="ghost" aria-label=${t('close')} onClick=${onClose}><${Icon} name="close" /></button></header>
      ${children}
    </div></dialog>`;
}

/**
 * Asks before something that cannot be undone.
 * @param {{title: string, text: string, action: string, danger?: boolean, onDo: () => Promise<unknown> | void, onClose: () => void}} props
 * @returns {import('../types').View}
 */
export function Confirm({ title, text, action, danger, onDo, onClose }) {
  const act = async () => {
    await onDo();
    onClose();
  };
  return html`<${Dialog} title=${title} onClose=${onClose} testid="confirm"><p>${text}</p>
    <footer><button type="button" onClick=${onClose}>${t('cancel')}</button>
      <button type="button" class=${danger ? 'danger' : 'primary'} onClick=${act} data-testid="confirm-do">${action}</button></footer><//>`;
}

/** @param {{text: string, label?: string}} props @returns {import('../types').View} */
export function Copy({ text, label }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    if (!(await put(text))) return;
    setDone(true);
    setTimeout(() => setDone(false), 1500);
  };
  return html`<button type="button" class="ghost small" onClick=${copy} aria-label=${label ? undefined : t('copy')} title=${t('copy')} data-testid="copy">
    <${Icon} name=${done ? 'check' : 'copy'} />${label && html`<span>${done ? t('copied') : label}</span>`}<span class="sr-only"
        role="status">${done ? t('copied') : ''}</span></button>`;
}

/** @param {string} text @returns {Promise<boolean>} */
async function put(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Without TLS beyond loopback there is no clipboard: the old way still works.
    const area = document.createElement('textarea');
    area.value = text;
    document.body.append(area);
    area.select();
    const copied = document.execCommand('copy');
    area.remove();
    return copied;
  }
}
