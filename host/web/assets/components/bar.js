// The bar at the top: where one is, language, theme, who is logged in.
import { html } from '../ui.js';
import { connection, fleet, go, loginNeeded, runs, session, theme } from '../store.js';
import { remove } from '../api.js';
import { lang, setLang, t } from '../i18n.js';
import { Icon, Logo } from '../icons.js';
import { helpOpen } from './help.js';

/** @param {{view: string}} props @returns {import('../types').View} */
export function Bar({ view }) {
  const workers = Object.values(fleet.value?.workers ?? {}).filter((worker) => worker.liveness !== 'lost').length;
  const other = lang.value === 'en' ? 'zh' : 'en';
  const going = Object.values(runs.value).some((run) => run.state !== 'finished');
  return html`<header class="bar">
    <a class="brand" href="#/" aria-label=${t('brand')}><${Logo} /><span>${t('brand')}</span></a>
    ${!loginNeeded.value && html`<nav aria-label=${t('nav')}>
      ${item(view === 'runs' || view === 'run' || view === 'compare', '#/', 'runs', t('runs'), going && html`<i class="pulse" role="img" aria-label=${t('a_run_goes_on')}></i>`)}
      ${!session.value?.single_run && item(view === 'new', '#/new', 'plus', t('new_run'))}
      ${item(view === 'workers', '#/workers', 'worker', t('workers'), fleet.value && html`<span class="count">${workers}</span>`)}
    </nav>`}
    <div class="bar-end">
      ${fleet.value?.leader && html`<span class="leader" title=${t('leader_is', { name: fleet.value.leader, term: fleet.value.term })} data-testid="leader">
        <i class=${`dot ${connection.value.state === 'live' ? 'good' : 'warn'}`}></i>${fleet.value.leader}</span>`}
      <${ThemeSwitch} />
      <button class="ghost" type="button" onClick=${() => setLang(other)} data-testid="lang"
        aria-label=${t('language_switch')}><${Icon} name="globe" /><span lang=${other}>${new Intl.DisplayNames([other], { type: 'language' }).of(other)}</span></button>
      <button class="ghost wide-only" type="button" onClick=${() => (helpOpen.value = true)} aria-label=${t('help')} title=${t('help')}><${Icon} name="keys" /></button>
      ${session.value?.user && html`<button class="ghost" type="button" onClick=${logout} title=${t('log_out')} data-testid="logout">
        <${Icon} name="user" /><span>${session.value.user}</span></button>`}
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
