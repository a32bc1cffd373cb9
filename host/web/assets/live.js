// What comes over the live stream, without a page: parsing, patching, points. Runs in node as well.

/** Points that are kept; beyond it the older half is coarsened, so that a day's page does not grow. */
export const MAX_POINTS = 14_400;
/** Levels of the document that get a new identity when something in them changed. */
const COPIED = 3;
/** Log lines that are kept. */
export const MAX_LOGS = 1_000;

/**
 * Applies an RFC 7396 merge patch. What the patch does not touch keeps its identity, so that
 * views can tell by `===` what has changed.
 * @param {any} target @param {any} patch
 * @param {number} [levels] how many levels of objects are copied before they are changed; those below are changed in place
 * @returns {any}
 */
export function mergePatch(target, patch, levels = Infinity) {
  if (patch === null || typeof patch !== 'object' || Array.isArray(patch)) return patch;
  const base = target !== null && typeof target === 'object' && !Array.isArray(target) ? target : {};
  /** @type {Record<string, any>} */
  const merged = levels > 0 ? { ...base } : base;
  for (const key in patch) {
    const value = patch[key];
    if (value === null) delete merged[key];
    else if (typeof value !== 'object') merged[key] = value;
    // Assigning `__proto__` would set the prototype instead of a field.
    else if (key !== '__proto__') merged[key] = mergePatch(base[key], value, levels - 1);
  }
  return merged;
}

/** Lines of a text/event-stream, in whatever pieces they come. */
export class EventParser {
  /** @param {(event: {event: string, id: string, data: string}) => void} emit */
  constructor(emit) {
    this.emit = emit;
    this.rest = '';
    this.clear();
  }

  clear() {
    this.event = 'message';
    this.id = '';
    /** @type {string[]} */
    this.data = [];
  }

  /** @param {string} text */
  push(text) {
    this.rest += text;
    // A CR at the end may be the first half of a CRLF.
    let from = 0;
    for (;;) {
      const match = /\r\n|\n|\r(?!$)/.exec(this.rest.slice(from));
      if (!match) break;
      this.line(this.rest.slice(from, from + match.index));
      from += match.index + match[0].length;
    }
    this.rest = this.rest.slice(from);
  }

  /** @param {string} line */
  line(line) {
    if (line === '') {
      if (this.data && this.data.length) this.emit({ event: this.event ?? '', id: this.id ?? '', data: this.data.join('\n') });
      return this.clear();
    }
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') this.event = value;
    else if (field === 'id') this.id = value;
    else if (field === 'data') this.data?.push(value);
  }
}

/** Seconds of a run as columns, which is how charts want them. */
export class PointStore {
  constructor() {
    /** @type {string[]} */
    this.names = [];
    /** @type {Record<string, (number | null)[]>} */
    this.columns = {};
    /** Grows with each change. */
    this.version = 0;
  }

  get length() {
    return this.columns.t?.length ?? 0;
  }

  /** @param {string[]} names @param {unknown[][]} rows */
  reset(names, rows) {
    this.names = names;
    this.columns = Object.fromEntries(names.map((name) => [name, []]));
    if (!this.columns.t) this.columns.t = [];
    this.upsert(rows);
  }

  /**
   * Adds seconds, or replaces those that are there already, by the column `t`.
   * @param {unknown[][]} rows
   */
  upsert(rows) {
    const at = this.names.indexOf('t');
    if (at < 0) return;
    const t = this.columns.t ?? [];
    for (const row of rows) {
      const when = Number(row[at]);
      let i = t.length;
      while (i > 0 && /** @type {number} */ (t[i - 1]) >= when) i -= 1;
      if (i === t.length) this.put(i, row);
      else if (t[i] === when) this.put(i, row);
      else this.insert(i, row);
    }
    if (this.length > MAX_POINTS) this.coarsen();
    this.version += 1;
  }

  /** @param {number} i @param {unknown[]} row */
  put(i, row) {
    for (let c = 0; c < this.names.length; c += 1) {
      /** @type {(number | null)[]} */ (this.columns[/** @type {string} */ (this.names[c])])[i] = number(row[c]);
    }
  }

  /** @param {number} i @param {unknown[]} row */
  insert(i, row) {
    for (let c = 0; c < this.names.length; c += 1) {
      this.columns[/** @type {string} */ (this.names[c])]?.splice(i, 0, number(row[c]));
    }
  }

  /** Joins the older half in pairs: means of what is per second, the worst of the rest. */
  coarsen() {
    const half = Math.floor(this.length / 4) * 2;
    for (const name of this.names) {
      const column = this.columns[name] ?? [];
      const join = JOIN[name] ?? worst;
      const old = [];
      for (let i = 0; i < half; i += 2) old.push(join(column[i] ?? null, column[i + 1] ?? null));
      this.columns[name] = old.concat(column.slice(half));
    }
  }
}

/** @typedef {(a: number | null, b: number | null) => number | null} Join */
/** @type {Join} */
const first = (a) => a;
/** @type {Join} */
const sum = (a, b) => (a ?? 0) + (b ?? 0);
/** @type {Join} */
const mean = (a, b) => (a === null ? b : b === null ? a : (a + b) / 2);
/** @type {Join} */
const worst = (a, b) => (a === null ? b : b === null ? a : Math.max(a, b));
/** @type {Record<string, Join>} */
const JOIN = {
  t: first,
  span: sum,
  rps: mean,
  fps: mean,
  users: (a, b) => b ?? a,
  users_wanted: (a, b) => b ?? a,
  rate_wanted: mean,
  dropped: sum,
};

/** @param {unknown} value @returns {number | null} */
function number(value) {
  if (value === true) return 1;
  if (value === false) return 0;
  return typeof value === 'number' ? value : null;
}

/**
 * What a page knows of the stream: the document, the points, the log.
 * Returns whether the event was one that this page can use.
 */
export class LiveState {
  constructor() {
    /** @type {any} */
    this.doc = null;
    this.points = new PointStore();
    /** @type {any[]} */
    this.logs = [];
    /** The id to resume from. */
    this.lastId = '';
  }

  /** @param {{event: string, id: string, data: any}} message @returns {boolean} */
  apply({ event, id, data }) {
    if (event === 'snapshot') {
      this.doc = data.doc;
      this.points.reset(data.points.columns, data.points.rows);
      this.logs = (data.logs ?? []).slice(-MAX_LOGS);
    } else if (event === 'delta' && this.doc !== null) {
      // document, run, table: what lies deeper is read anew whenever its table is.
      this.doc = mergePatch(this.doc, data.patch ?? {}, COPIED);
      if (data.reset) this.points.reset(this.points.names, []);
      if (data.points?.length) this.points.upsert(data.points);
      if (data.reset) this.logs = [];
      if (data.logs?.length) this.logs = this.logs.concat(data.logs).slice(-MAX_LOGS);
    } else {
      return false;
    }
    if (id) this.lastId = id;
    return true;
  }
}
