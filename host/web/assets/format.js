// Numbers, durations and dates as people of the page's language read them.
import { lang, locale } from './i18n.js';

/** What stands where there is no value. */
export const NONE = '–';

/** Formatters cost more to make than to use: by language and options. @type {Map<string, Map<object, any>>} */
const made = new Map();

/** @template T @param {object} options the same object each time @param {(locale: string) => T} make @returns {T} */
function kept(options, make) {
  const language = locale();
  let mine = made.get(language);
  if (!mine) made.set(language, (mine = new Map()));
  let found = mine.get(options);
  if (!found) mine.set(options, (found = make(language)));
  return found;
}

/** @param {Intl.NumberFormatOptions} options @returns {Intl.NumberFormat} */
const formatter = (options) => kept(options, (language) => new Intl.NumberFormat(language, options));

const WHOLE = { maximumFractionDigits: 0 };
const TENTHS = { minimumFractionDigits: 1, maximumFractionDigits: 1 };
const HUNDREDTHS = { minimumFractionDigits: 2, maximumFractionDigits: 2 };
/** @type {Intl.NumberFormatOptions[]} */
const PERCENTS = [0, 1, 2, 3].map((digits) => ({ style: 'percent', minimumFractionDigits: digits, maximumFractionDigits: digits }));
/** @type {Intl.NumberFormatOptions} */
const COMPACT = { notation: 'compact', maximumFractionDigits: 1 };
const UP_TO_TENTHS = { maximumFractionDigits: 1 };
const UP_TO_HUNDREDTHS = { maximumFractionDigits: 2 };
/** @type {Intl.DateTimeFormatOptions} */
const DAY = { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit' };
/** @type {Intl.DateTimeFormatOptions} */
const DAY_OF_YEAR = { ...DAY, year: 'numeric' };
/** @type {Intl.DateTimeFormatOptions} */
const MOMENT = { dateStyle: 'medium', timeStyle: 'medium' };

/** @typedef {number | null | undefined} Num */

/** @param {Num} value @returns {value is number} */
const there = (value) => typeof value === 'number' && Number.isFinite(value);

/** @param {Num} value @returns {string} */
export const count = (value) => (there(value) ? formatter(WHOLE).format(value) : NONE);

/** Per second: three digits or so. @param {Num} value @returns {string} */
export function rate(value) {
  if (!there(value)) return NONE;
  if (value === 0) return '0';
  return formatter(value >= 100 ? WHOLE : value >= 10 ? TENTHS : HUNDREDTHS).format(value);
}

/** Milliseconds, without the unit. @param {Num} value @returns {string} */
export function ms(value) {
  if (!there(value)) return NONE;
  return formatter(value >= 100 ? WHOLE : value >= 10 ? TENTHS : HUNDREDTHS).format(value);
}

/** Milliseconds with a unit that suits: `83 ms`, `1.2 s`. @param {Num} value @returns {string} */
export function time(value) {
  if (!there(value)) return NONE;
  if (value < 1_000) return `${ms(value)} ms`;
  return `${formatter(value < 10_000 ? HUNDREDTHS : TENTHS).format(value / 1_000)} s`;
}

/** A share of 1. @param {Num} value @returns {string} */
export function percent(value) {
  if (!there(value)) return NONE;
  const size = Math.abs(value);
  const digits = size === 0 || size === 1 ? 0 : size < 0.001 ? 3 : size < 0.1 ? 2 : 1;
  return formatter(PERCENTS[digits] ?? WHOLE).format(value);
}

/** @param {Num} value @returns {string} */
export function bytes(value) {
  if (!there(value)) return NONE;
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let i = 0;
  let left = value;
  while (left >= 1024 && i < units.length - 1) {
    left /= 1024;
    i += 1;
  }
  return `${formatter(i === 0 || left >= 100 ? WHOLE : TENTHS).format(left)} ${units[i]}`;
}

/** Short: `12.3k`. @param {Num} value @returns {string} */
export function short(value) {
  if (!there(value)) return NONE;
  if (Math.abs(value) < 10_000) return formatter(Math.abs(value) < 10 ? UP_TO_HUNDREDTHS : UP_TO_TENTHS).format(value);
  return formatter(COMPACT).format(value);
}

/** Seconds as on a stopwatch: `0:42`, `1:02:03`. @param {Num} seconds @returns {string} */
export function clock(seconds) {
  if (!there(seconds)) return NONE;
  const whole = Math.max(0, Math.floor(seconds));
  const h = Math.floor(whole / 3600);
  const m = Math.floor((whole % 3600) / 60);
  const s = String(whole % 60).padStart(2, '0');
  return h ? `${h}:${String(m).padStart(2, '0')}:${s}` : `${m}:${s}`;
}

/** @type {Record<import('./i18n.js').Lang, string[]>} */
const SPAN_UNITS = { en: ['d', 'h', 'm', 's', 'ms'], zh: ['天', '小时', '分', '秒', '毫秒'] };

/** Seconds in words: `1m 30s`, `2h 5m`, `350 ms`. @param {Num} seconds @returns {string} */
export function span(seconds) {
  if (!there(seconds)) return NONE;
  const [d, h, m, s, milli] = /** @type {[string, string, string, string, string]} */ (SPAN_UNITS[lang.value]);
  if (seconds > 0 && seconds < 1) return `${Math.round(seconds * 1000)} ${milli}`;
  const whole = Math.round(seconds);
  const parts = [
    [Math.floor(whole / 86_400), d],
    [Math.floor((whole % 86_400) / 3600), h],
    [Math.floor((whole % 3600) / 60), m],
    [whole % 60, s],
  ].filter(([value]) => value !== 0);
  return parts.length
    ? parts
        .slice(0, 2)
        .map(([value, unit]) => `${value}${unit}`)
        .join(' ')
    : `0${s}`;
}

/** The moment in milliseconds since the epoch, from what the API gives. @param {string | number | null | undefined} at @returns {number | null} */
export function moment(at) {
  if (at === null || at === undefined) return null;
  if (typeof at === 'string') {
    const parsed = Date.parse(at);
    return Number.isNaN(parsed) ? null : parsed;
  }
  // Beyond the year 5000 as milliseconds it must be microseconds.
  return at > 1e14 ? at / 1000 : at;
}

/** @param {string | number | null | undefined} at @returns {string} */
export function date(at) {
  const when = moment(at);
  if (when === null) return NONE;
  const options = new Date(when).getFullYear() === new Date().getFullYear() ? DAY : DAY_OF_YEAR;
  return kept(options, (language) => new Intl.DateTimeFormat(language, options)).format(when);
}

/** @param {string | number | null | undefined} at @returns {string} */
export function dateTime(at) {
  const when = moment(at);
  return when === null ? NONE : kept(MOMENT, (language) => new Intl.DateTimeFormat(language, MOMENT)).format(when);
}

/** The beginning of a digest. @param {string | null | undefined} digest @returns {string} */
export const shortDigest = (digest) => (digest ? digest.slice(0, 12) : NONE);
