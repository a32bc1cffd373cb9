// The charts of a run, kept in step with its points.
import { effect, html, useEffect, useRef, useState } from '../ui.js';
import { painted } from '../store.js';
import { lang, t } from '../i18n.js';
import { clock, count, percent, rate, short, time } from '../format.js';
import { Charts, mostOf, rampEnd } from '../charts.js';
import { Icon } from '../icons.js';
import { list, notesOf } from './basics.js';

/** @returns {import('../charts.js').Spec[]} */
export function specs() {
  return [
    {
      id: 'rate',
      title: t('chart_rate'),
      unit: 'rate',
      max: 1,
      series: [
        { key: 'rps', label: t('requests'), color: '--s-rate', fill: true, width: 1.8 },
        { key: 'fps', label: t('failures'), color: '--s-fail', fill: true, width: 1.8 },
      ],
    },
    {
      id: 'response',
      title: t('chart_response'),
      unit: 'ms',
      series: [
        { key: 'response_p50', label: 'p50', color: '--s-p50' },
        { key: 'response_p95', label: 'p95', color: '--s-p95', width: 1.8 },
        { key: 'response_p99', label: 'p99', color: '--s-p99' },
        { key: 'service_p95', label: t('service_p95'), color: '--s-v95', dash: [4, 3], width: 1.2 },
      ],
    },
    {
      id: 'users',
      height: 140,
      title: t('users'),
      unit: 'count',
      max: 1,
      series: [
        { key: 'users', label: t('running'), color: '--s-users', fill: true, width: 1.8 },
        { key: 'users_wanted', label: t('wanted_series'), color: '--s-wanted', dash: [4, 3] },
      ],
    },
    {
      id: 'service',
      height: 140,
      title: t('chart_service'),
      unit: 'ms',
      series: [
        { key: 'service_p50', label: 'p50', color: '--s-v50' },
        { key: 'service_p95', label: 'p95', color: '--s-v95', width: 1.8 },
        { key: 'service_p99', label: 'p99', color: '--s-v99' },
      ],
    },
    {
      id: 'arrivals',
      height: 140,
      title: t('chart_arrivals'),
      unit: 'rate',
      max: 1,
      series: [
        { key: 'rate_wanted', label: t('arrivals_wanted'), color: '--s-wanted', dash: [4, 3] },
        { key: 'dropped', label: t('dropped'), color: '--s-drop', fill: true, width: 1.8 },
      ],
    },
    {
      id: 'generator',
      height: 140,
      title: t('chart_generator'),
      unit: 'percent',
      max: 1,
      series: [{ key: 'cpu', label: t('cpu'), color: '--s-cpu', fill: true }],
    },
  ];
}

/** @returns {import('../charts.js').Words} */
export const words = () => ({
  value: (unit, value) =>
    unit === 'ms' ? time(value) : unit === 'rate' ? rate(value) : unit === 'percent' ? percent(value) : count(value),
  axis: (unit, value) =>
    unit === 'ms'
      ? time(value)
          .replace(/([.,]\d*?)0+(?=\D)/, '$1')
          .replace(/[.,](?= )/, '')
      : unit === 'percent'
        ? `${Math.round(value * 100)}%`
        : short(value),
  time: clock,
  empty: t('no_points_yet'),
  series: t('series'),
});

/** What happened, as marks: notes, lost workers, broken thresholds, the end of the ramp. @param {import('../types').Source} source @returns {import('../charts.js').Mark[]} */
export function marksOf({ run: { value: run }, points }) {
  if (!run) return [];
  /** @type {import('../charts.js').Mark[]} */
  const marks = [];
  for (const note of notesOf(run))
    if (note.at_seconds != null) marks.push({ t: note.at_seconds, kind: note.kind === 'warning' ? 'warning' : 'info', text: note.message });
  for (const loss of list(run.losses))
    marks.push({ t: loss.at_seconds, kind: 'bad', text: t('mark_lost', { worker: loss.worker }) });
  for (const { threshold, at_seconds: since } of run.breaches ?? [])
    marks.push({ t: since, kind: 'bad', text: t('mark_broken', { threshold }) });
  const full = rampEnd(points.columns);
  if (full) marks.push({ t: full.t, kind: 'info', text: t('mark_full', { n: count(full.users) }) });
  return marks;
}

/**
 * What the legends say of a run that is over: the last second is one of its end, which nobody asks for.
 * Rates and times are those of the whole run, users and the generator's CPU the most there were.
 * @param {import('../types').Run | null} run @param {Record<string, (number | null)[]>} columns @returns {import('../charts.js').Whole | null}
 */
export function wholeOf(run, columns) {
  if (run?.state !== 'finished') return null;
  const { total } = run;
  /** @type {Record<string, number | null>} */
  const values = { ...mostOf(columns), rps: total.rps, fps: total.fps };
  for (const which of /** @type {('p50' | 'p95' | 'p99')[]} */ (['p50', 'p95', 'p99'])) {
    values[`response_${which}`] = total.response_time_ms?.[which] ?? null;
    values[`service_${which}`] = total.service_time_ms?.[which] ?? null;
  }
  values.dropped = run.load_seconds ? run.counters.dropped_arrivals / run.load_seconds : null;
  return { label: t('whole_run'), values };
}

/** @param {{source: import('../types').Source}} props @returns {import('../types').View} */
export function RunCharts({ source }) {
  const host = useRef(/** @type {HTMLDivElement | null} */ (null));
  const charts = useRef(/** @type {Charts | null} */ (null));
  const [zoomed, setZoomed] = useState(false);
  const language = lang.value;
  const id = source.run.value?.run ?? '';
  const arrivals = source.run.value?.rate_wanted != null || (source.run.value?.counters?.arrivals ?? 0) > 0;
  useEffect(() => {
    let gone = false;
    /** @type {(() => void)[]} */
    const undo = [];
    void import('../vendor/uplot.js').then(({ default: uPlot }) => {
      if (gone || !host.current) return;
      const wanted = specs().filter((spec) => spec.id !== 'arrivals' || arrivals);
      const made = new Charts(uPlot, host.current, { specs: wanted, words: words(), onZoom: (range) => setZoomed(range !== null) });
      charts.current = made;
      // Read-only, for tests: what is drawn.
      /** @type {any} */ (host.current).charts = made;
      undo.push(() => made.destroy());
      undo.push(
        effect(() => {
          if (source.version.value >= 0) made.setData(source.points.columns, marksOf(source), wholeOf(source.run.value, source.points.columns));
        }),
      );
      let first = painted.peek();
      undo.push(
        effect(() => {
          if (painted.value !== first) made.restyle();
          first = painted.value;
        }),
      );
    });
    return () => {
      gone = true;
      undo.reverse().forEach((act) => act());
      host.current?.replaceChildren();
      charts.current = null;
      setZoomed(false);
    };
  }, [language, id, arrivals, source]);
  return html`<section class="charts-section" aria-label=${t('charts')}>
    <div class="charts" ref=${host} data-testid="charts"></div>
    <div class="charts-foot"><span class="muted small">${t('charts_hint')}</span>
      ${zoomed && html`<button type="button" class="small" data-testid="zoom-reset" onClick=${() => charts.current?.zoomTo(null)}><${Icon}
          name="reset" />${t('zoom_reset')}</button>`}</div>
  </section>`;
}
