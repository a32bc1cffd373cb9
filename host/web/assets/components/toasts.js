// Answers to what somebody did, and changes of state for screen readers.
import { html, useEffect, useRef } from '../ui.js';
import { announced, connection, dropToast, fleet, run, toast, toasts } from '../store.js';
import { t } from '../i18n.js';
import { Icon } from '../icons.js';
import { stateWord } from './state.js';

/** @returns {import('../types').View} */
export function Toasts() {
  return html`<div class="toasts" role="status">${toasts.value.map((entry) => html`
    <div key=${entry.id} class=${`toast ${entry.kind}`} data-testid="toast"><${Icon} name=${entry.kind === 'good' ? 'check' : 'fault'} />
      <p>${entry.text}${entry.hint && html`<small>${entry.hint}</small>`}</p>
      <button type="button" class="ghost" aria-label=${t('close')} onClick=${() => dropToast(entry.id)}><${Icon} name="close" /></button></div>`)}</div>`;
}

/** Speaks when a run changes its state, a leader changes or the connection goes and comes. @returns {import('../types').View} */
export function Announcer() {
  const state = run.value?.state;
  const leader = fleet.value?.leader;
  const link = connection.value.state;
  const before = useRef(/** @type {{state?: string | undefined, leader?: string | null | undefined, link?: string}} */ ({}));
  useEffect(() => {
    const was = before.current;
    if (state && was.state && was.state !== state) announced.value = t('announce_state', { state: stateWord(state) });
    if (leader && was.leader && was.leader !== leader) {
      announced.value = t('announce_leader', { name: leader });
      toast('good', t('announce_leader', { name: leader }));
    }
    if (link === 'retrying' && was.link === 'live') announced.value = t('unreachable');
    if (link === 'live' && was.link === 'retrying') announced.value = t('announce_back');
    before.current = { state, leader: leader ?? was.leader, link: link === 'connecting' ? (was.link ?? link) : link };
  }, [state, leader, link]);
  return html`<p class="sr-only" aria-live="polite" data-testid="announcer">${announced.value}</p>`;
}
