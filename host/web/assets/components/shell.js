// What frames every view: the bar, messages, the list of shortcuts, what a tick costs.
import { html, signal, useEffect, useRef, useState } from '../ui.js';
import {
  announced,
  connection,
  doc,
  dropToast,
  fleet,
  go,
  loginNeeded,
  retryNow,
  run,
  runs,
  session,
  theme,
  toast,
  toasts,
} from '../store.js';
import { remove } from '../api.js';
import { lang, setLang, t } from '../i18n.js';
import { Icon, Logo } from '../icons.js';
import { stateWord } from './basics.js';

/** @param {{view: string}} props @returns {import('../types').View} */
export function Bar({ view }) {
  const workers = Object.values(fleet.value?.workers ?? {}).filter((worker) => worker.liveness !== 'lost').length;
  const other = lang.value === 'en' ? 'zh' : 'en';
  const going = Object.values(runs.value).some((run) => run.state !== 'finished');
  return html`<header class="bar">
    <a class="brand" href="#/" aria-label=${t('brand')}><${Logo} /><span>${t('brand')}</span></a>
    ${
      !loginNeeded.value &&
      html`<nav aria-label=${t('nav')}>
      ${item(view === 'runs' || view === 'run' || view === 'compare', '#/', 'runs', t('runs'), going && html`<i class="pulse" role="img"
          aria-label=${t('a_run_goes_on')}></i>`)}
      ${!session.value?.single_run && item(view === 'new', '#/new', 'plus', t('new_run'))}
      ${item(view === 'workers', '#/workers', 'worker', t('workers'), fleet.value && html`<span class="count">${workers}</span>`)}
    </nav>`
    }
    <div class="bar-end">
      ${
        fleet.value?.leader &&
        !session.value?.single_run &&
        html`<span class="leader" title=${t('leader_is', { name: fleet.value.leader, term: fleet.value.term })} data-testid="leader">
        <i class=${`dot ${connection.value.state === 'live' ? 'good' : 'warn'}`}></i>${fleet.value.leader}</span>`
      }
      <${ThemeSwitch} />
      <button class="ghost" type="button" onClick=${() => setLang(other)} data-testid="lang"
        aria-label=${t('language_switch')}><${Icon} name="globe" /><span lang=${other}>${new Intl.DisplayNames([other], { type: 'language' }).of(other)}</span></button>
      <button class="ghost keys-button" type="button" onClick=${() => (helpOpen.value = true)} aria-label=${t('help')} title=${t('help')}><${Icon} name="keys" /></button>
      ${
        session.value?.user &&
        !loginNeeded.value &&
        html`<button class="ghost" type="button" onClick=${logout} title=${t('log_out')} data-testid="logout">
        <${Icon} name="user" /><span>${session.value.user}</span></button>`
      }
    </div>
  </header>`;
}

/** @param {boolean} on @param {string} href @param {string} icon @param {string} label @param {unknown} [extra] */
function item(on, href, icon, label, extra) {
  return html`<a href=${href} aria-current=${on ? 'page' : undefined}><${Icon} name=${icon} /><span>${label}</span>${extra}</a>`;
}

/** @returns {import('../types').View} */
function ThemeSwitch() {
  const next = /** @type {const} */ ({ auto: 'light', light: 'dark', dark: 'auto' })[theme.value];
  const label = { auto: t('theme_auto'), light: t('theme_light'), dark: t('theme_dark') }[theme.value];
  const icon = { auto: 'half', light: 'sun', dark: 'moon' }[theme.value];
  return html`<button class="ghost" type="button" data-testid="theme" aria-label=${t('theme_switch', { now: label })} title=${label}
    onClick=${() => (theme.value = next)}><${Icon} name=${icon} /></button>`;
}

async function logout() {
  try {
    await remove('session');
  } finally {
    session.value = null;
    loginNeeded.value = true;
    go('/');
  }
}

/** @returns {import('../types').View} */
export function ConnectionNote() {
  const state = connection.value;
  const [now, setNow] = useState(Date.now());
  const retrying = state.state === 'retrying';
  useEffect(() => {
    if (!retrying) return undefined;
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, [retrying]);
  if (retrying) {
    const seconds = Math.max(0, Math.ceil(((state.retryAt ?? now) - now) / 1000));
    return html`<div class="banner bad" role="alert" data-testid="disconnected"><${Icon} name="warn" />
      <p><b>${state.reason ?? t('unreachable')}</b> ${state.hint ?? ''} ${doc.value ? t('data_kept') : ''}${' '}
        <span class="muted">${seconds > 0 ? t('retry_in', { n: seconds }) : t('retrying')}</span></p>
      <button type="button" onClick=${retryNow}>${t('retry_now')}</button></div>`;
  }
  const trouble = fleet.value?.trouble;
  if (state.state === 'live' && (trouble || (fleet.value && !fleet.value.leader))) {
    return html`<div class="banner warn" role="status" data-testid="no-leader"><${Icon} name="warn" />
      <p><b>${t('no_leader')}</b> ${trouble ?? ''} <span class="muted">${t('no_leader_hint')}</span></p></div>`;
  }
  return null;
}

/** @returns {import('../types').View} */
export function Toasts() {
  return html`<div class="toasts" role="status">${toasts.value.map(
    (entry) => html`
    <div key=${entry.id} class=${`toast ${entry.kind}`} data-testid="toast"><${Icon} name=${entry.kind === 'good' ? 'check' : 'fault'} />
      <p>${entry.text}${entry.hint && html`<small>${entry.hint}</small>`}</p>
      <button type="button" class="ghost" aria-label=${t('close')} onClick=${() => dropToast(entry.id)}><${Icon} name="close" /></button></div>`,
  )}</div>`;
}

/** Speaks when a run changes its state, a leader changes or the connection goes and comes. @returns {import('../types').View} */
export function Announcer() {
  const state = run.value?.state;
  const leader = fleet.value?.leader;
  const link = connection.value.state;
  const id = run.value?.run;
  const before = useRef(
    /** @type {{id?: string | undefined, state?: string | undefined, leader?: string | null | undefined, link?: string}} */ ({}),
  );
  useEffect(() => {
    const was = before.current;
    if (state && was.state && was.id === id && was.state !== state) announced.value = t('announce_state', { state: stateWord(state) });
    if (leader && was.leader && was.leader !== leader) {
      announced.value = t('announce_leader', { name: leader });
      toast('good', t('announce_leader', { name: leader }));
    }
    if (link === 'retrying' && was.link === 'live') announced.value = t('unreachable');
    if (link === 'live' && was.link === 'retrying') announced.value = t('announce_back');
    before.current = { id, state, leader: leader ?? was.leader, link: link === 'connecting' ? (was.link ?? link) : link };
  }, [id, state, leader, link]);
  return html`<p class="sr-only" aria-live="polite" data-testid="announcer">${announced.value}</p>`;
}

/** @type {import('../types').Signal<boolean>} */
export const helpOpen = signal(false);

/** `?perf` in the address shows what a tick costs. */
const measured = new URLSearchParams(location.search).has('perf');

/** @returns {import('../types').View} */
export function Extras() {
  const [parts, setParts] = useState(/** @type {typeof import('./extras.js') | null} */ (null));
  const wanted = helpOpen.value || measured;
  useEffect(() => {
    if (wanted) void import('./extras.js').then(setParts);
  }, [wanted]);
  return parts && html`${helpOpen.value && html`<${parts.Help} />`}${measured && html`<${parts.Perf} />`}`;
}

/** Shortcuts of the view that is open. @type {Map<string, () => void>} */
const local = new Map();

/**
 * Adds shortcuts for as long as a view is open; returns what takes them away.
 * @param {Record<string, () => void>} keys @returns {() => void}
 */
export function useKeys(keys) {
  for (const [key, act] of Object.entries(keys)) local.set(key, act);
  return () => {
    for (const [key, act] of Object.entries(keys)) if (local.get(key) === act) local.delete(key);
  };
}

/** @type {Record<string, () => void>} */
const GLOBAL = {
  '?': () => (helpOpen.value = !helpOpen.value),
  'g r': () => go('/'),
  'g n': () => go('/new'),
  'g w': () => go('/workers'),
  t: () => (theme.value = theme.value === 'dark' ? 'light' : 'dark'),
  l: () => setLang(lang.value === 'en' ? 'zh' : 'en'),
  '/': () => /** @type {HTMLElement | null} */ (document.querySelector('[data-filter]'))?.focus(),
};

let prefix = '';

export function installKeys() {
  // A menu closes when somebody looks elsewhere.
  addEventListener('click', (event) => {
    for (const menu of document.querySelectorAll('details.menu[open]'))
      if (!menu.contains(/** @type {Node} */ (event.target))) menu.removeAttribute('open');
  });
  addEventListener('keydown', (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.key === 'Escape') document.querySelectorAll('details.menu[open]').forEach((menu) => menu.removeAttribute('open'));
    if (target.closest('input, textarea, select, [contenteditable], dialog')) return;
    const key = prefix ? `${prefix} ${event.key}` : event.key;
    prefix = !prefix && event.key === 'g' ? 'g' : '';
    if (prefix) setTimeout(() => (prefix = ''), 1500);
    const act = local.get(key) ?? GLOBAL[key];
    if (!act) return;
    event.preventDefault();
    act();
  });
}
