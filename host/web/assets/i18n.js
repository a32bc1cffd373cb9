// Languages: which one is on, and words out of the one table in words.js.
import { signal } from './ui.js';
import { WORDS } from './words.js';

/** @typedef {'en' | 'zh'} Lang */
/** @typedef {keyof typeof WORDS | keyof typeof import("./more.js").MORE} Key */

/** The language of the page. @type {import('./types').Signal<Lang>} */
export const lang = signal(/** @type {Lang} */ (document.documentElement.lang.startsWith('zh') ? 'zh' : 'en'));

/** For `Intl`. @returns {string} */
export const locale = () => (lang.value === 'zh' ? 'zh-CN' : 'en-GB');

/** @param {Lang} next */
export function setLang(next) {
  lang.value = next;
  document.documentElement.lang = next === 'zh' ? 'zh-Hans' : 'en';
  try {
    localStorage.setItem('loadhost.lang', next);
  } catch {
    // Then it holds for this page only.
  }
}

/**
 * The words of a key in the page's language, `{name}` replaced by the argument of that name.
 * `one|many` is decided by the argument `n`.
 * @param {Key} key @param {Record<string, string | number>} [args] @returns {string}
 */
export function t(key, args) {
  const pair = /** @type {Record<string, string[]>} */ (WORDS)[key];
  let text = pair?.[lang.value === 'zh' ? 1 : 0] ?? key;
  if (!args) return text;
  const bar = text.indexOf('|');
  if (bar >= 0 && 'n' in args) text = Number(args.n) === 1 || args.n === '1' ? text.slice(0, bar) : text.slice(bar + 1);
  return text.replace(/\{(\w+)\}/g, (whole, name) => String(args[name] ?? whole));
}
