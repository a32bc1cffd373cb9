// Shortcuts of one or two letters. They do nothing while somebody writes.
import { go, theme } from './store.js';
import { lang, setLang } from './i18n.js';
import { helpOpen } from './components/help.js';

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
  addEventListener('keydown', (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
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
