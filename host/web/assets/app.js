// The shell: bar, status of the connection, the view of the route.
import { html, render, useEffect, useState } from './ui.js';
import { begin, doc, follow, loginNeeded, route, run, runs, unfollow } from './store.js';
import { lang, t } from './i18n.js';
import { stateWord } from './components/basics.js';
import { Announcer, Bar, ConnectionNote, Extras, installKeys, Toasts } from './components/shell.js';

/** Views are fetched when they are first needed. @type {Record<string, () => Promise<{View: any}>>} */
const VIEWS = {
  runs: () => import('./views/home.js'),
  run: () => import('./views/run.js'),
  new: () => import('./views/new-run.js'),
  compare: () => import('./views/compare.js'),
  workers: () => import('./views/workers.js'),
  login: () => import('./views/login.js'),
};

/** @returns {string} */
function viewOf() {
  if (loginNeeded.value) return 'login';
  const [first, second, third] = route.value.path;
  if (first === 'runs' && second) return third === 'compare' ? 'compare' : 'run';
  return first && Object.hasOwn(VIEWS, first) ? first : 'runs';
}

/** @returns {import('./types').View} */
function App() {
  const name = viewOf();
  const [loaded, setLoaded] = useState(/** @type {{name: string, View: any} | null} */ (null));
  useEffect(() => {
    let wanted = true;
    const load = VIEWS[name];
    void load?.().then((module) => wanted && setLoaded({ name, View: module.View }));
    return () => {
      wanted = false;
    };
  }, [name]);
  const [, id = ''] = route.value.path;
  const known = name === 'run' && id in runs.value;
  useEffect(() => {
    // A run out of the history has no stream: then the stream of whatever goes on still tells of the fleet.
    if (loginNeeded.value) unfollow();
    else follow(known ? id : '');
  }, [known, id, loginNeeded.value]);
  // A view of another route would read this one's path.
  const View = loaded?.name === name ? loaded.View : null;
  const shown = name === 'run' ? run.value : null;
  useEffect(() => {
    document.title = shown ? `${shown.scenario} – ${stateWord(shown.state)} – ${t('title')}` : t('title');
  }, [lang.value, shown?.scenario, shown?.state]);
  return html`
    <a class="skip" href="#main" onClick=${skip}>${t('skip')}</a>
    <${Bar} view=${name} />
    <${ConnectionNote} />
    <main id="main" tabindex="-1" class=${`view view-${name}`}>
      ${View ? html`<${View} />` : html`<p class="loading">${doc.value ? '' : t('loading')}</p>`}
    </main>
    <${Toasts} /><${Announcer} /><${Extras} />`;
}

/** @param {Event} event */
function skip(event) {
  event.preventDefault();
  document.getElementById('main')?.focus();
}

installKeys();
void begin();
const app = /** @type {HTMLElement} */ (document.getElementById('app'));
// The bar of index.html has been seen until now.
app.replaceChildren();
render(html`<${App} />`, app);
