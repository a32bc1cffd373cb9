// A table that draws only the rows in sight: sorting, filter, choice of columns.
import { html, useEffect, useMemo, useRef, useState } from '../ui.js';
import { remember, remembered } from '../store.js';
import { t } from '../i18n.js';
import { count } from '../format.js';
import { Icon } from '../icons.js';

/** Height of a row in pixels, as `--row` has it. */
const ROW = 28;
/** Rows drawn above and below those in sight. */
const SPARE = 8;
/** Tables with fewer rows are drawn whole. */
const WHOLE = 60;

/**
 * @template T
 * @typedef {object} Column
 * @property {string} key
 * @property {string} label
 * @property {string | undefined} [help]
 * @property {(row: T) => string | number | null | undefined} value sorts and, if there is no `show`, stands in the cell
 * @property {(row: T) => unknown} [show]
 * @property {(row: T) => string} [kind] class of the cell
 * @property {boolean} [text] left-aligned words instead of right-aligned numbers
 * @property {boolean} [off] not shown until chosen
 * @property {boolean} [grow] takes the room that is left
 */

/**
 * @template T
 * @param {{id: string, label: string, rows: T[], columns: Column<T>[], keyOf: (row: T) => string, sort: string, filter?: (row: T) => string,
 *   pinned?: T | null, tools?: unknown, empty?: string, onPick?: (row: T) => void, note?: unknown}} props
 * @returns {import('../types').View}
 */
export function Table(props) {
  const { id, rows, columns, keyOf, pinned } = props;
  const [order, setOrder] = useState(() => remembered(`sort.${id}`, props.sort));
  const [hidden, setHidden] = useState(() => remembered(`columns.${id}`, /** @type {string[] | null} */ (null)));
  const [needle, setNeedle] = useState('');
  const [span, setSpan] = useState([0, WHOLE]);
  const box = useRef(/** @type {HTMLDivElement | null} */ (null));
  const off = hidden ?? columns.filter((column) => column.off).map((column) => column.key);
  const shown = columns.filter((column) => !off.includes(column.key));
  const found = useMemo(() => matching(rows, props.filter, needle), [rows, needle]);
  const sorted = useMemo(() => sortRows(found, columns, order), [found, order]);
  const virtual = sorted.length > WHOLE;

  const look = () => {
    const at = box.current;
    if (!at) return;
    const from = Math.max(0, Math.floor(at.scrollTop / ROW) - SPARE);
    const to = Math.ceil((at.scrollTop + at.clientHeight) / ROW) + SPARE;
    setSpan((was) => (was[0] === from && was[1] === to ? was : [from, to]));
  };
  useEffect(look, [virtual, sorted.length]);
  useEffect(() => {
    const at = box.current;
    if (!at) return undefined;
    const sized = new ResizeObserver(() => hint(at));
    for (const element of [at, ...at.children]) sized.observe(element);
    return () => sized.disconnect();
  }, []);
  const [from, to] = virtual ? [Math.min(span[0] ?? 0, sorted.length), Math.min(span[1] ?? WHOLE, sorted.length)] : [0, sorted.length];

  /** @param {string} key */
  const sortBy = (key) => {
    const next =
      order === `-${key}` ? key : order === key ? `-${key}` : columns.find((column) => column.key === key)?.text ? key : `-${key}`;
    remember(`sort.${id}`, next);
    setOrder(next);
  };
  /** @param {string} key */
  const toggle = (key) => {
    const next = off.includes(key) ? off.filter((one) => one !== key) : [...off, key];
    remember(`columns.${id}`, next);
    setHidden(next);
  };
  /** @param {T} row @param {number} index @param {string} [kind] */
  const line = (
    row,
    index,
    kind,
  ) => html`<tr key=${kind ?? keyOf(row)} class=${kind} aria-rowindex=${index} onClick=${props.onPick && (() => props.onPick?.(row))}>
    ${shown.map((column, n) => cell(column, row, n === 0))}</tr>`;

  return html`<div class="table-block" data-testid=${`table-${id}`}>
    <div class="tools">
      ${
        props.filter &&
        html`<label class="search"><${Icon} name="filter" /><span class="sr-only">${t('filter')}</span>
        <input type="search" data-filter placeholder=${t('filter')} value=${needle} onInput=${(/** @type {any} */ event) => setNeedle(event.target.value)} /></label>`
      }
      <span class="muted small" role="status">${needle ? t('n_of', { n: count(sorted.length), all: count(rows.length) }) : ''}</span>
      <span class="grow"></span>${props.tools}
      ${columns.some((column) => column.off) && html`<${Choice} columns=${columns} off=${off} toggle=${toggle} />`}
    </div>
    <div class="table-wrap"><div class="table-box" ref=${box} onScroll=${() => (virtual && look(), hint(box.current))} tabindex="0" role="region" aria-label=${props.label}>
      <table class=${props.onPick ? 'pickable' : ''} aria-rowcount=${sorted.length + (pinned ? 2 : 1)} aria-label=${props.label}>
        <thead><tr aria-rowindex="1">${shown.map((column) => head(column, order, sortBy))}</tr></thead>
        <tbody>
          ${pinned && line(pinned, 2, 'pinned')}
          ${virtual && from > 0 && html`<tr class="spacer" aria-hidden="true"><td colspan=${shown.length} style=${{ height: `${from * ROW}px` }}></td></tr>`}
          ${sorted.slice(from, to).map((row, n) => line(row, from + n + (pinned ? 3 : 2)))}
          ${virtual && to < sorted.length && html`<tr class="spacer" aria-hidden="true"><td colspan=${shown.length}
              style=${{ height: `${(sorted.length - to) * ROW}px` }}></td></tr>`}
        </tbody>
      </table>
      ${!sorted.length && html`<p class="none">${needle ? t('nothing_found') : (props.empty ?? t('nothing_yet'))}</p>`}
    </div><span class="more-right" aria-hidden="true">›</span></div>${props.note}</div>`;
}

/** Says whether there is more to the right of what is seen. @param {HTMLElement | null} box */
function hint(box) {
  box?.parentElement?.classList.toggle('more', box.scrollLeft + box.clientWidth < box.scrollWidth - 1);
}

/** @param {Column<any>} column @param {any} row @param {boolean} first */
function cell(column, row, first) {
  const value = column.show ? column.show(row) : column.value(row);
  const kind = `${column.text ? 'text' : 'num'} ${column.grow ? 'grow' : ''} ${column.kind?.(row) ?? ''}`;
  const title = typeof value === 'string' && column.text ? value : undefined;
  return first ? html`<th scope="row" class=${kind} title=${title}>${value}</th>` : html`<td class=${kind} title=${title}>${value}</td>`;
}

/** @param {Column<any>} column @param {string} order @param {(key: string) => void} sortBy */
function head(column, order, sortBy) {
  const sorted = order === column.key ? 'ascending' : order === `-${column.key}` ? 'descending' : 'none';
  return html`<th scope="col" class=${`${column.text ? 'text' : 'num'} ${column.grow ? 'grow' : ''}`} aria-sort=${sorted} title=${column.help}>
    <button type="button" onClick=${() => sortBy(column.key)}>${column.label}${sorted !== 'none' && html`<${Icon}
        name=${sorted === 'ascending' ? 'up' : 'down'} size=${12} />`}</button></th>`;
}

/** @param {{columns: Column<any>[], off: string[], toggle: (key: string) => void}} props */
function Choice({ columns, off, toggle }) {
  return html`<details class="menu"><summary class="button small"><${Icon} name="columns" />${t('columns')}</summary>
    <div class="menu-box">${columns.slice(1).map(
      (column) => html`<label><input type="checkbox" checked=${!off.includes(column.key)}
      onChange=${() => toggle(column.key)} />${column.label}</label>`,
    )}</div></details>`;
}

/** @template T @param {T[]} rows @param {((row: T) => string) | undefined} text @param {string} needle @returns {T[]} */
export function matching(rows, text, needle) {
  const words = needle.trim().toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length || !text) return rows;
  return rows.filter((row) => {
    const hay = text(row).toLowerCase();
    return words.every((word) => hay.includes(word));
  });
}

/**
 * Sorted by a column: `key` upwards, `-key` downwards. What has no value comes last either way.
 * @template T @param {T[]} rows @param {Column<T>[]} columns @param {string} order @returns {T[]}
 */
export function sortRows(rows, columns, order) {
  const down = order.startsWith('-');
  const column = columns.find((one) => one.key === (down ? order.slice(1) : order));
  if (!column) return rows;
  const keyed = rows.map((row) => ({ row, value: column.value(row) }));
  keyed.sort((a, b) => {
    if (a.value === b.value) return 0;
    if (a.value === null || a.value === undefined) return 1;
    if (b.value === null || b.value === undefined) return -1;
    const less =
      typeof a.value === 'string' ? a.value.localeCompare(String(b.value), 'en', { numeric: true }) : Number(a.value) - Number(b.value);
    return down ? -less : less;
  });
  return keyed.map((one) => one.row);
}
