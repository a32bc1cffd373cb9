// Words and colours of states that come from the API.
import { html } from '../ui.js';
import { t } from '../i18n.js';

/** @type {Record<string, import('../i18n.js').Key>} */
const STATES = {
  waiting: 'state_waiting', preparing: 'state_preparing', 'setting-up': 'state_setting_up', starting: 'state_starting', running: 'state_running',
  stopping: 'state_stopping', 'tearing-down': 'state_tearing_down', finished: 'state_finished',
};
/** @type {Record<string, import('../i18n.js').Key>} */
const REASONS = {
  completed: 'ended_completed', 'stopped-by-user': 'ended_stopped', 'threshold-abort': 'ended_threshold', 'aborted-by-scenario': 'ended_scenario',
  'worker-failed': 'ended_worker', interrupted: 'ended_interrupted',
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
  const failed = over && (run.passed === false || ['threshold-abort', 'aborted-by-scenario', 'worker-failed'].includes(run.ended?.reason ?? ''));
  const kind = run.state === 'running' ? 'live' : over ? (failed ? 'bad' : run.passed ? 'good' : 'calm') : 'warn';
  const word = over && run.passed === false ? t('failed') : over && run.passed && run.ended?.reason === 'completed' ? t('passed') : over && run.ended ? t(REASONS[run.ended.reason] ?? 'state_finished') : stateWord(run.state);
  return html`<span class=${`pill ${kind}`} data-testid="run-state" data-state=${run.state}><i class="dot"></i>${word}</span>`;
}

/** Thresholds as a list, whatever form they come in. @param {import('../types').Run} run @returns {import('../types').Threshold[]} */
export const thresholdsOf = (run) => (Array.isArray(run.thresholds) ? run.thresholds : Object.values(run.thresholds ?? {}));

/** @param {import('../types').Run} run @returns {import('../types').Note[]} */
export const notesOf = (run) => (Array.isArray(run.notes) ? run.notes : Object.values(run.notes ?? {}));
