// Charts over the seconds of a run, on one time axis: synchronised cursor, zoom, marks and bands.
// No imports: the page and the single-file report both use this module and hand in uPlot.

/**
 * @typedef {(number | null)[]} Column
 * @typedef {{key: string, label: string, color: string, dash?: number[], width?: number, fill?: boolean, bars?: boolean, hidden?: boolean}} Series
 * @typedef {{id: string, title: string, unit: string, series: Series[], max?: number, height?: number}} Spec
 * @typedef {{t: number, kind: 'info' | 'warning' | 'bad', text: string}} Mark
 * @typedef {{label: string, values: Record<string, number | null>}} Whole what legends say of a run that is over: its values by key of series
 * @typedef {{value: (unit: string, value: number | null | undefined) => string, axis: (unit: string, value: number) => string, time: (seconds: number) => string, empty: string, series: string}} Words
 */

let groups = 0;
/** What weighs more is drawn over what weighs less, and said first. */
const WEIGHT = { info: 0, warning: 1, bad: 2 };

/**
 * The most that there was of what no total has, for legends of a whole run: users, and the generators' CPU.
 * @param {Record<string, Column | undefined>} columns @returns {Record<string, number | null>}
 */
export function mostOf(columns) {
  const most = (/** @type {Column} */ column) => column.reduce((most, value) => (value === null ? most : Math.max(most ?? value, value)), null);
  return Object.fromEntries(['users', 'users_wanted', 'rate_wanted', 'cpu'].map((key) => [key, most(columns[key] ?? [])]));
}

/** The second in which all users were there for the first time, if they came little by little. @param {Record<string, Column | undefined>} columns @returns {{t: number, users: number} | null} */
export function rampEnd({ t: seconds = [], users = [], users_wanted: wanted = [] }) {
  let peak = 0;
  let at = -1;
  for (let i = 0; i < seconds.length; i += 1) {
    if (Number(wanted[i] ?? 0) > peak) [peak, at] = [Number(wanted[i]), -1];
    if (at < 0 && peak > 0 && Number(users[i] ?? 0) >= peak) at = i;
  }
  // A line that still goes up has its peak at the last second.
  return at > 1 && at < seconds.length - 2 ? { t: Number(seconds[at]), users: peak } : null;
}

/** Colours of custom properties, resolved for a canvas. @param {HTMLElement} host @returns {(name: string) => string} */
function palette(host) {
  const probe = document.createElement('i');
  probe.hidden = true;
  host.append(probe);
  /** @type {Record<string, string>} */
  const known = {};
  queueMicrotask(() => probe.remove());
  return (name) => {
    if (!known[name]) {
      probe.style.color = `var(${name})`;
      if (!probe.isConnected) host.append(probe);
      known[name] = getComputedStyle(probe).color;
      probe.remove();
    }
    return known[name];
  };
}

/** A group of charts that share their time axis. */
export class Charts {
  /** @param {any} uPlot @param {HTMLElement} host @param {{specs: Spec[], words: Words, onZoom?: (range: [number, number] | null) => void}} options */
  constructor(uPlot, host, options) {
    this.uPlot = uPlot;
    this.host = host;
    this.options = options;
    this.sync = `charts-${(groups += 1)}`;
    /** @type {[number, number] | null} */
    this.zoom = null;
    /** @type {Record<string, Column>} */
    this.columns = {};
    /** @type {Mark[]} */
    this.marks = [];
    /** @type {Whole | null} */
    this.whole = null;
    this.color = palette(host);
    /** @type {Chart[]} */
    this.charts = options.specs.map((spec) => new Chart(this, spec));
    this.seen = new IntersectionObserver((entries) => entries.forEach((entry) => this.chartOf(entry.target)?.show(entry.isIntersecting)), {
      rootMargin: '120px',
    });
    this.sized = new ResizeObserver((entries) => entries.forEach((entry) => this.chartOf(entry.target)?.resize()));
    for (const chart of this.charts) {
      this.seen.observe(chart.root);
      this.sized.observe(chart.body);
    }
  }

  /** @param {Element} element @returns {Chart | undefined} */
  chartOf(element) {
    return this.charts.find((chart) => chart.root === element || chart.body === element);
  }

  /**
   * New columns; they may be the same arrays, grown.
   * @param {Record<string, Column>} columns with `t`, seconds since the start @param {Mark[]} [marks]
   * @param {Whole | null} [whole] of a run that is over
   */
  setData(columns, marks, whole = null) {
    this.columns = columns;
    this.whole = whole;
    if (marks) this.marks = [...marks].sort((one, other) => WEIGHT[one.kind] - WEIGHT[other.kind]);
    for (const chart of this.charts) chart.update();
  }

  /** @returns {[number, number]} */
  range() {
    const t = this.columns.t ?? [];
    const first = t[0] ?? 0;
    return this.zoom ?? [first, Math.max(t[t.length - 1] ?? 0, first + 10)];
  }

  /** @param {[number, number] | null} range of seconds; null: all */
  zoomTo(range) {
    this.zoom = range && range[1] - range[0] >= 2 ? range : null;
    for (const chart of this.charts) chart.update();
    this.options.onZoom?.(this.zoom);
  }

  /** Colours changed: draws everything anew. */
  restyle() {
    this.color = palette(this.host);
    for (const chart of this.charts) chart.rebuild();
  }

  destroy() {
    this.seen.disconnect();
    this.sized.disconnect();
    for (const chart of this.charts) chart.destroy();
  }
}

/** One chart of a group: a heading with a read-out of each series, and the drawing. */
class Chart {
  /** @param {Charts} group @param {Spec} spec */
  constructor(group, spec) {
    this.group = group;
    this.spec = spec;
    this.plot = /** @type {any} */ (null);
    this.visible = false;
    this.stale = true;
    /** @type {number | null} */
    this.at = null;
    this.hidden = new Set(spec.series.filter((series) => series.hidden).map((series) => series.key));
    this.root = element('section', 'chart');
    this.root.dataset.testid = `chart-${spec.id}`;
    this.root.setAttribute('aria-label', spec.title);
    const head = element('header', 'chart-head');
    const title = element('h3', 'chart-title', spec.title);
    this.time = element('span', 'chart-time');
    this.legend = element('div', 'chart-legend');
    this.legend.setAttribute('role', 'group');
    this.legend.setAttribute('aria-label', group.options.words.series);
    this.chips = spec.series.map((series) => this.chip(series));
    head.append(title, this.time, this.legend);
    this.body = element('div', 'chart-body');
    this.body.tabIndex = 0;
    this.body.setAttribute('role', 'group');
    this.body.setAttribute('aria-label', spec.title);
    this.body.addEventListener('keydown', (event) => this.key(event));
    this.second = element('span', 'chart-second');
    this.caption = element('ul', 'chart-caption');
    this.caption.hidden = this.second.hidden = true;
    // What a key has found, for who does not see it.
    this.heard = element('p', 'chart-heard sr-only');
    this.heard.setAttribute('aria-live', 'polite');
    this.none = element('p', 'chart-none', group.options.words.empty);
    this.body.style.minHeight = `${spec.height ?? 190}px`;
    this.body.append(this.none, this.second, this.caption);
    this.root.append(head, this.body, this.heard);
    group.host.append(this.root);
  }

  /** @param {Series} series */
  chip(series) {
    const button = /** @type {HTMLButtonElement} */ (element('button', 'chip'));
    button.type = 'button';
    button.setAttribute('aria-pressed', String(!this.hidden.has(series.key)));
    button.dataset.series = series.key;
    const dot = element('i', series.dash ? 'chip-dot dashed' : 'chip-dot');
    dot.style.setProperty('--c', `var(${series.color})`);
    const value = element('b', 'chip-value', '–');
    button.append(dot, element('span', 'chip-label', series.label), value);
    button.addEventListener('click', () => this.toggle(series.key, button));
    this.legend.append(button);
    return value;
  }

  /** @param {string} key @param {HTMLButtonElement} button */
  toggle(key, button) {
    const show = this.hidden.has(key);
    if (show) this.hidden.delete(key);
    else this.hidden.add(key);
    button.setAttribute('aria-pressed', String(show));
    const index = this.spec.series.findIndex((series) => series.key === key);
    this.plot?.setSeries(index + 1, { show });
  }

  /** @param {boolean} visible */
  show(visible) {
    this.visible = visible;
    if (visible && this.stale) this.update();
  }

  data() {
    const { columns } = this.group;
    const t = columns.t ?? [];
    return [t, ...this.spec.series.map((series) => columns[series.key] ?? new Array(t.length).fill(null))];
  }

  update() {
    if (!this.visible) {
      this.stale = true;
      return;
    }
    this.stale = false;
    // Without data uPlot settles on scales that later data does not change, so it is made with the first points.
    if ((this.group.columns.t?.length ?? 0) === 0) return this.destroy();
    if (!this.plot) return this.build();
    const [min, max] = this.group.range();
    this.plot.batch(() => {
      this.plot.setData(this.data(), false);
      this.plot.setScale('x', { min, max });
    });
    this.read();
  }

  build() {
    this.none.remove();
    this.plot = new this.group.uPlot(this.config(), this.data(), this.body);
    this.read();
  }

  rebuild() {
    this.plot?.destroy();
    this.plot = null;
    this.update();
  }

  destroy() {
    if (!this.plot) return;
    this.plot.destroy();
    this.plot = null;
    this.body.append(this.none);
  }

  size() {
    return { width: Math.max(160, Math.floor(this.body.clientWidth)), height: this.spec.height ?? 190 };
  }

  resize() {
    const { width, height } = this.size();
    if (this.plot && (this.plot.width !== width || this.plot.height !== height)) this.plot.setSize({ width, height });
  }

  config() {
    const { group, spec } = this;
    const { color } = group;
    const { words } = group.options;
    const axis = {
      stroke: color('--ink-3'),
      font: `11px ${getComputedStyle(this.body).fontFamily}`,
      grid: { stroke: color('--grid'), width: 1 },
      ticks: { show: false },
    };
    const [min, max] = group.range();
    return {
      ...this.size(),
      legend: { show: false },
      padding: [8, 24, 0, 0],
      cursor: {
        // Only the cursor is shared: a selection that others repeated would zoom once for each chart.
        sync: {
          key: group.sync,
          setSeries: false,
          filters: { pub: (/** @type {string} */ type) => type === 'mousemove' || type === 'mouseleave' },
        },
        drag: { x: true, y: false, setScale: false },
        points: { size: 6, width: 1.5, fill: (/** @type {any} */ u, /** @type {number} */ i) => u.series[i].stroke(u, i) },
        bind: { dblclick: () => () => (group.zoomTo(null), null) },
        y: false,
      },
      scales: {
        x: { time: false, min, max },
        y: { range: (/** @type {any} */ _, /** @type {number} */ __, /** @type {number} */ high) => [0, top(high, spec.max)] },
      },
      axes: [
        {
          ...axis,
          size: 26,
          gap: 4,
          space: 64,
          incrs: [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400],
          values: (/** @type {any} */ _, /** @type {number[]} */ at) => at.map((second) => words.time(second)),
        },
        {
          ...axis,
          size: 52,
          gap: 4,
          space: 32,
          values: (/** @type {any} */ _, /** @type {number[]} */ at) => at.map((value) => words.axis(spec.unit, value)),
        },
      ],
      series: [{}, ...spec.series.map((series) => this.series(series))],
      hooks: {
        drawAxes: [() => this.bands()],
        draw: [() => this.flags()],
        setSelect: [(/** @type {any} */ u) => this.selected(u)],
        setCursor: [(/** @type {any} */ u) => this.pointed(u)],
      },
    };
  }

  /** @param {Series} series */
  series(series) {
    const stroke = this.group.color(series.color);
    return {
      label: series.label,
      stroke,
      width: series.width ?? 1.5,
      dash: series.dash,
      show: !this.hidden.has(series.key),
      fill: series.fill ? fade(stroke, 0.1) : undefined,
      points: { show: false },
      spanGaps: false,
      paths: series.bars ? this.group.uPlot.paths.bars({ size: [1, 8] }) : undefined,
    };
  }

  /** Seconds in which the generator was saturated, and seconds that do not count. */
  bands() {
    const { saturated, counted, t } = this.group.columns;
    if (!t) return;
    if (counted) this.band(t, (i) => counted[i] === 0, '--band-uncounted');
    if (saturated) this.band(t, (i) => saturated[i] === 1, '--band-saturated');
  }

  /** @param {Column} t @param {(i: number) => boolean} is @param {string} name */
  band(t, is, name) {
    const u = this.plot ?? null;
    if (!u) return;
    const { ctx, bbox } = u;
    const right = bbox.left + bbox.width;
    ctx.save();
    ctx.fillStyle = this.group.color(name);
    for (let i = 0; i < t.length; i += 1) {
      if (!is(i)) continue;
      const from = i;
      while (i + 1 < t.length && is(i + 1)) i += 1;
      const x0 = Math.max(bbox.left, u.valToPos(t[from], 'x', true));
      const x1 = Math.min(right, u.valToPos(t[i + 1] ?? Number(t[i]) + 1, 'x', true));
      if (x1 > x0) ctx.fillRect(x0, bbox.top, x1 - x0, bbox.height);
    }
    ctx.restore();
  }

  flags() {
    const u = this.plot ?? null;
    if (!u) return;
    const { ctx, bbox } = u;
    const ratio = devicePixelRatio;
    const [min, max] = this.group.range();
    ctx.save();
    ctx.lineWidth = ratio;
    for (const mark of this.group.marks) {
      if (mark.t < min || mark.t > max) continue;
      const x = Math.round(u.valToPos(mark.t, 'x', true)) + 0.5;
      ctx.strokeStyle = ctx.fillStyle = this.group.color(`--mark-${mark.kind}`);
      ctx.setLineDash([3 * ratio, 3 * ratio]);
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      ctx.beginPath();
      ctx.moveTo(x - 4 * ratio, bbox.top);
      ctx.lineTo(x + 4 * ratio, bbox.top);
      ctx.lineTo(x, bbox.top + 6 * ratio);
      ctx.fill();
    }
    ctx.restore();
  }

  /** @param {any} u */
  selected(u) {
    const { left, width } = u.select;
    if (width <= 3) return;
    const range = /** @type {[number, number]} */ ([u.posToVal(left, 'x'), u.posToVal(left + width, 'x')]);
    u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.group.zoomTo(range);
  }

  /** @param {any} u */
  pointed(u) {
    const idx = u.cursor.left >= 0 ? u.cursor.idx : null;
    this.at = idx ?? null;
    this.read();
  }

  /** Shows the values under the cursor, else those of the whole run if it is over, else the last ones. */
  read() {
    const { columns, options } = this.group;
    const t = columns.t ?? [];
    const i = this.at ?? t.length - 1;
    const whole = this.at === null ? this.group.whole : null;
    this.spec.series.forEach((series, n) => {
      const text = options.words.value(this.spec.unit, whole ? whole.values[series.key] : columns[series.key]?.[i]);
      const chip = this.chips[n];
      if (chip && chip.textContent !== text) chip.textContent = text;
    });
    const label = whole?.label ?? '';
    if (this.time.textContent !== label) this.time.textContent = label;
    this.point(this.at === null ? null : (t[this.at] ?? null));
  }

  /**
   * Says below the cursor which second it is at, and beside it what happened then, that on the chart that somebody points at:
   * the others follow its cursor only.
   * @param {number | null} second
   */
  point(second) {
    const { group, body, caption } = this;
    this.second.hidden = second === null;
    caption.hidden = true;
    if (second === null) return;
    const { over } = this.plot;
    const [left, room] = [over.offsetLeft + this.plot.valToPos(second, 'x'), body.clientWidth];
    this.second.textContent = group.options.words.time(second);
    this.second.style.left = `${left}px`;
    if (!body.matches(':hover') && body !== document.activeElement) return;
    const near = group.marks.filter((mark) => Math.abs(mark.t - second) <= this.reach());
    caption.hidden = !near.length;
    caption.replaceChildren(...near.reverse().map((mark) => element('li', mark.kind, mark.text)));
    const isLeft = left > room / 2;
    caption.style.left = isLeft ? 'auto' : `${left + 8}px`;
    caption.style.right = isLeft ? `${room - left + 8}px` : 'auto';
    caption.style.maxWidth = `${Math.max(140, (isLeft ? left : room - left) - 16)}px`;
  }

  /** The read-out in words. @returns {string} */
  inWords() {
    const values = this.spec.series.map((series, n) => `${series.label} ${this.chips[n]?.textContent ?? ''}`);
    const marks = this.caption.hidden ? [] : [...this.caption.children].map((line) => line.textContent);
    return [this.second.textContent, ...values, ...marks].join(', ');
  }

  /** How near the cursor must be to a mark, in seconds: four pixels. */
  reach() {
    const [min, max] = this.group.range();
    return Math.max(0.5, ((max - min) / Math.max(1, this.body.clientWidth)) * 4);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const u = this.plot;
    const t = this.group.columns.t ?? [];
    if (!u || !t.length) return;
    const [min, max] = this.group.range();
    if (event.key === 'ArrowLeft' || event.key === 'ArrowRight') {
      const step = (event.key === 'ArrowLeft' ? -1 : 1) * (event.shiftKey ? 10 : 1);
      const next = Math.min(t.length - 1, Math.max(0, (this.at ?? t.length - 1) + step));
      u.setCursor({ left: u.valToPos(t[next], 'x'), top: 10 });
      this.heard.textContent = this.inWords();
    } else if (event.key === '+' || event.key === '=' || event.key === '-') {
      const center = Number(t[this.at ?? t.length - 1]);
      const half = ((max - min) / 2) * (event.key === '-' ? 2 : 0.5);
      const all = [Number(t[0]), Number(t[t.length - 1])];
      const range = /** @type {[number, number]} */ ([Math.max(all[0] ?? 0, center - half), Math.min(all[1] ?? 0, center + half)]);
      this.group.zoomTo(range[0] <= (all[0] ?? 0) && range[1] >= (all[1] ?? 0) ? null : range);
    } else if (event.key === '0' || event.key === 'Escape') {
      this.group.zoomTo(null);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }
}

/** Where an axis ends; without values at 1, so that its labels differ. @param {number | null} high @param {number | undefined} least @returns {number} */
function top(high, least) {
  return Math.max((high ?? 0) * 1.08, least ?? 0) || 1;
}

/** @param {string} color `rgb(…)` @param {number} alpha @returns {string} */
function fade(color, alpha) {
  const parts = color.match(/[\d.]+/g) ?? [];
  return `rgba(${parts.slice(0, 3).join(',')},${alpha})`;
}

/** @param {string} tag @param {string} className @param {string} [text] @returns {HTMLElement} */
function element(tag, className, text) {
  const made = document.createElement(tag);
  made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}
