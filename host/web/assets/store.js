// What the page knows: session, live document, connection, route. Views read signals and never poll.
import { batch, computed, effect, signal } from './ui.js';
import { LiveState, PointStore } from './live.js';
import { Stream } from './stream.js';
import { get, onUnauthorized, url } from './api.js';

/** @typedef {{path: string[], query: URLSearchParams}} Route */

/** @param {string} part of an address that anybody may have written @returns {string} */
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** @returns {Route} */
function parseRoute() {
  const [path = '', query = ''] = location.hash.replace(/^#\/?/, '').split('?');
  return { path: path.split('/').filter(Boolean).map(decoded), query: new URLSearchParams(query) };
}

/** @type {import('./types').Signal<Route>} */
export const route = signal(parseRoute());
addEventListener('hashchange', () => (route.value = parseRoute()));

/** @param {string} path such as `/runs/abc` */
export function go(path) {
  location.hash = `#${path}`;
}

/** Who is logged in, and what the server is; null until it has answered. @type {import('./types').Signal<import('./types').Session | null>} */
export const session = signal(null);
/** A login is needed before anything else. @type {import('./types').Signal<boolean>} */
export const loginNeeded = signal(false);

/** @type {import('./types').Signal<import('./stream.js').Connection>} */
export const connection = signal(/** @type {import('./stream.js').Connection} */ ({ state: 'connecting' }));
/** @type {import('./types').Signal<import('./types').Doc | null>} */
export const doc = signal(null);
/** Grows when points changed. @type {import('./types').Signal<number>} */
export const version = signal(0);
/** @type {import('./types').Signal<any[]>} */
export const logs = signal([]);

/** @type {import('./types').ReadonlySignal<import('./types').Fleet | null>} */
export const fleet = computed(() => doc.value?.fleet ?? null);
/** @type {import('./types').ReadonlySignal<Record<string, import('./types').RunShort>>} */
export const runs = computed(() => doc.value?.runs ?? {});
/** @type {import('./types').ReadonlySignal<import('./types').Run | null>} */
export const run = computed(() => doc.value?.run ?? null);
/** Whether the session may do what needs this role. @param {'operate' | 'admin'} role @returns {boolean} */
export const may = (role) => {
  const mine = session.value?.role;
  return mine === 'admin' || (mine === 'operate' && role === 'operate');
};

/** Whether the session may look at everything and change nothing. @returns {boolean} */
export const onlyWatches = () => session.value !== null && !may('operate');

export const live = new LiveState();
/** The run that the stream follows; empty: whatever goes on. */
let followed = '';
/** Costs of handling messages, for `?perf`, in milliseconds; the newest last. @type {number[]} */
export const costs = [];

const after = new MessageChannel();
/** @type {number[]} */
const begins = [];
// Drawing is done in microtasks, so the next task sees the end of it.
after.port1.onmessage = () => {
  costs.push(performance.now() - (begins.shift() ?? 0));
  if (costs.length > 120) costs.shift();
};

/** @param {number} begun */
function measure(begun) {
  begins.push(begun);
  after.port2.postMessage(null);
}

const stream = new Stream({
  url: () => url(followed ? `live?run=${encodeURIComponent(followed)}` : 'live'),
  lastId: () => live.lastId,
  onState: (state) => {
    connection.value = state;
    if (state.state === 'login') loginNeeded.value = true;
  },
  onGone: () => follow(''),
  onEvent: ({ event, id, data }) => {
    const begun = performance.now();
    if (!live.apply({ event, id, data: JSON.parse(data) })) return;
    batch(() => {
      doc.value = live.doc;
      version.value = live.points.version;
      if (logs.peek() !== live.logs) logs.value = live.logs;
    });
    measure(begun);
  },
});

/**
 * Follows this run from now on; empty: whatever goes on.
 * @param {string} id
 */
export function follow(id) {
  if (id === followed && !stream.stopped) return;
  followed = id;
  live.lastId = '';
  stream.start();
}

/** Nothing is followed until {@link follow} is called again. */
export const unfollow = () => stream.stop();

/** A run that was started here and that the stream has not spoken of yet. @type {import('./types').Signal<string>} */
export const expected = signal('');

/** Waits for the stream to speak of a run before it is looked for in the history. @param {string} id */
export function expect(id) {
  expected.value = id;
  setTimeout(() => {
    if (expected.value === id) expected.value = '';
  }, 15_000);
}

/** Tries to reach the server at once. */
export const retryNow = () => stream.retryNow();

/** Asks who is logged in. @returns {Promise<void>} */
export async function begin() {
  try {
    const answer = await get('session');
    session.value = answer;
    loginNeeded.value = Boolean(answer.login_required && !answer.user);
  } catch (error) {
    // A server that cannot be reached is what the stream reports.
    if (/** @type {any} */ (error).status === 401) loginNeeded.value = true;
  }
}

onUnauthorized(() => {
  if (session.peek() !== null) loginNeeded.value = true;
});

/** Words for screen readers: changes of state only. @type {import('./types').Signal<string>} */
export const announced = signal('');
/** @typedef {{id: number, kind: 'good' | 'bad', text: string, hint?: string}} Toast */
/** @type {import('./types').Signal<Toast[]>} */
export const toasts = signal([]);
let toastId = 0;

/** @param {'good' | 'bad'} kind @param {string} text @param {string} [hint] */
export function toast(kind, text, hint) {
  const id = (toastId += 1);
  toasts.value = [...toasts.value.slice(-3), { id, kind, text, ...(hint ? { hint } : {}) }];
  setTimeout(() => dropToast(id), kind === 'bad' ? 12_000 : 5_000);
}

/** @param {number} id */
export function dropToast(id) {
  toasts.value = toasts.value.filter((entry) => entry.id !== id);
}

/** What storage holds under this key; a fallback if it cannot be read. @template T @param {string} key @param {T} fallback @returns {T} */
export function remembered(key, fallback) {
  try {
    const text = localStorage.getItem(`loadhost.${key}`);
    return text === null ? fallback : JSON.parse(text);
  } catch {
    return fallback;
  }
}

/** @param {string} key @param {unknown} value */
export function remember(key, value) {
  try {
    localStorage.setItem(`loadhost.${key}`, JSON.stringify(value));
  } catch {
    // Storage is full or forbidden: the value holds for this page.
  }
}

/** `light`, `dark`, or `auto` for what the system says. @type {import('./types').Signal<'light' | 'dark' | 'auto'>} */
export const theme = signal(/** @type {any} */ (document.documentElement.dataset.theme ?? 'auto'));
/** Grows when colours changed. @type {import('./types').Signal<number>} */
export const painted = signal(0);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => (painted.value += 1));
effect(() => {
  const root = document.documentElement;
  if (theme.value === 'auto') delete root.dataset.theme;
  else root.dataset.theme = theme.value;
  try {
    localStorage.setItem('loadhost.theme', theme.value);
  } catch {
    // Then it holds for this page only.
  }
  painted.value = painted.peek() + 1;
});

/** A run out of the history, read like one that goes on. @param {any} run @param {any} answer @returns {import('./types').Source} */
export function keptSource(run, answer) {
  const points = new PointStore();
  points.reset(answer.columns, answer.rows);
  return { run: signal(run), points, version: signal(1), logs: signal([]), live: false };
}
