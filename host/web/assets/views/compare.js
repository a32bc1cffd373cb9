// Two runs laid over each other.
import '../more.js';
import { html, useEffect, useRef, useState } from '../ui.js';
import { keptSource, painted, route } from '../store.js';
import { get } from '../api.js';
import { lang, t } from '../i18n.js';
import { count, date, NONE, percent, rate, shortDigest, span, time } from '../format.js';
import { Charts } from '../charts.js';
import { Faults } from '../components/basics.js';
import { wholeOf, words } from '../components/run-charts.js';
import { Table } from '../components/table.js';

/** @typedef {{metric: string, unit: string, before: number, after: number, difference: number, change: 'none' | 'better' | 'worse'}} Difference */
/** @typedef {{method: string, name: string, standing: string, differences: Difference[]}} Compared */

/** @returns {import('../types').View} */
export function View() {
  const [, run = '', , baseline = ''] = route.value.path;
  const [data, setData] = useState(/** @type {any} */ (null));
  const [error, setError] = useState(/** @type {any} */ (null));
  useEffect(() => {
    const one = (/** @type {string} */ id) =>
      Promise.all([get(`runs/${encodeURIComponent(id)}`), get(`runs/${encodeURIComponent(id)}/points`)]).then(([detail, points]) =>
        keptSource(detail, points),
      );
    Promise.all([one(run), one(baseline), get(`runs/${encodeURIComponent(run)}/compare/${encodeURIComponent(baseline)}`)]).then(
      ([after, before, comparison]) => setData({ after, before, comparison }),
      setError,
    );
  }, [run, baseline]);
  if (error)
    return html`<section class="card empty"><h1>${t('cannot_compare')}</h1><${Faults} error=${error} /><a class="button" href="#/">${t('back_to_runs')}</a></section>`;
  if (!data) return html`<p class="loading">${t('loading')}</p>`;
  return html`<div class="run compare" data-testid="compare-view"><header class="run-head"><div><h1>${t('comparison')}</h1></div></header>
    <div class="sides"><${Side} label=${t('baseline')} kind="before" run=${data.before.run.value} /><${Side} label=${t('this_run')} kind="after"
        run=${data.after.run.value} /></div>
    ${data.comparison.saturated && html`<p class="card note warn">${t('compare_saturated')}</p>`}
    <${Verdict} rows=${data.comparison.rows} />
    <${Overlay} before=${data.before} after=${data.after} />
    <${Differences} rows=${data.comparison.rows} /></div>`;
}

/** @param {{label: string, kind: string, run: any}} props */
function Side({ label, kind, run }) {
  return html`<a class=${`card side ${kind}`} href=${`#/runs/${run.run}`}><small><i></i>${label}</small><b>${run.scenario} ${run.scenario_version ?? ''}</b>
    <span class="muted">${date(run.started_at)} · ${span(run.elapsed_seconds)} · ${count(run.total.requests)} · ${rate(run.total.rps)}/s · p95 ${time(run.total.response_time_ms?.p95)} · ${percent(run.total.requests ? run.total.failures / run.total.requests : 0)}</span>
    <span class="muted"><code>${shortDigest(run.module)}</code> ${(run.tags ?? []).map((/** @type {string} */ tag) => html`<span
        class="tag">${tag}</span>`)}${run.note ?? ''}</span></a>`;
}

/** @param {{rows: Compared[]}} props */
function Verdict({ rows }) {
  const n = (/** @type {string} */ kind) => rows.filter((row) => row.differences.some((one) => one.change === kind)).length;
  const [worse, better] = [n('worse'), n('better')];
  return html`<p class="verdict" data-testid="verdict">${worse > 0 && html`<span
      class="pill bad">${t('n_worse', { n: worse })}</span>`}${better > 0 && html`<span class="pill good">${t('n_better', { n: better })}</span>`}
    ${!worse && !better && html`<span class="pill calm">${t('no_difference')}</span>`} <span class="muted small">${t('noise_hint')}</span></p>`;
}

/** @param {{rows: Compared[]}} props */
function Differences({ rows }) {
  const of = (/** @type {Compared} */ row, /** @type {string} */ metric) => row.differences.find((one) => one.metric === metric);
  const value = (/** @type {string} */ unit, /** @type {number} */ n) =>
    unit === 'ms' ? time(n) : unit === 'ratio' ? percent(n) : rate(n);
  /** @param {string} metric @param {string} label @returns {import('../components/table.js').Column<Compared>} */
  const column = (metric, label) => ({
    key: metric,
    label,
    off: /^service_p(50|99)$/.test(metric),
    kind: (row) => ({ worse: 'worse', better: 'better', none: '' })[of(row, metric)?.change ?? 'none'],
    value: (row) => {
      const one = of(row, metric);
      return one ? (one.unit === 'ms' && one.before ? one.difference / one.before : one.difference) : null;
    },
    show: (row) => {
      const one = of(row, metric);
      if (!one) return NONE;
      const relative = one.unit !== 'ratio' && one.before ? one.difference / one.before : null;
      return html`<span class="delta"><span>${value(one.unit, one.before)} → ${value(one.unit, one.after)}</span>${relative !== null && html`<b>${relative > 0 ? '+' : ''}${percent(Math.abs(relative) < 0.0005 ? 0 : relative)}</b>`}</span>`;
    },
  });
  const columns = [
    {
      key: 'name',
      label: t('name'),
      text: true,
      grow: true,
      value: (/** @type {Compared} */ row) => row.name,
      show: (/** @type {Compared} */ row) =>
        html`${row.method && html`<span class="method">${row.method}</span>`}${row.method ? row.name : t('all_requests')}${row.standing === 'new' ? html` <span class="tag">${t('only_this')}</span>` : row.standing === 'gone' ? html` <span class="tag">${t('only_baseline')}</span>` : ''}`,
    },
    column('response_p50', 'p50'),
    column('response_p95', 'p95'),
    column('response_p99', 'p99'),
    column('service_p50', t('service_short', { p: 'p50' })),
    column('service_p95', t('service_short', { p: 'p95' })),
    column('service_p99', t('service_short', { p: 'p99' })),
    column('failure_ratio', t('failed_share')),
    column('rps', t('per_second')),
  ];
  const total = rows.find((row) => !row.method && row.name === 'Aggregated') ?? null;
  return html`<div class="card panel"><${Table} id="compare" label=${t('comparison')} rows=${rows.filter((row) => row !== total)} columns=${columns}
      sort="-response_p95" pinned=${total}
    keyOf=${(/** @type {Compared} */ row) => `${row.method} ${row.name}`} filter=${(/** @type {Compared} */ row) => `${row.method} ${row.name}`} /></div>`;
}

/** @returns {import('../charts.js').Spec[]} */
function specs() {
  /** @param {string} key @param {string} color @returns {import('../charts.js').Series[]} */
  const pair = (key, color) => [
    { key: `before_${key}`, label: t('baseline'), color: '--s-wanted', width: 1.6 },
    { key, label: t('this_run'), color, width: 1.8 },
  ];
  return [
    { id: 'rate', title: t('chart_rate'), unit: 'rate', max: 1, series: pair('rps', '--s-rate') },
    { id: 'response', title: `${t('chart_response')} p95`, unit: 'ms', series: pair('response_p95', '--s-p95') },
    { id: 'failures', height: 140, title: t('failed_per_second'), unit: 'rate', max: 1, series: pair('fps', '--s-fail') },
    { id: 'service', height: 140, title: `${t('chart_service')} p95`, unit: 'ms', series: pair('service_p95', '--s-v95') },
    { id: 'users', height: 140, title: t('users'), unit: 'count', max: 1, series: pair('users', '--s-users') },
  ];
}

/**
 * Both runs' columns on the seconds that either has.
 * @param {Record<string, (number | null)[]>} after @param {Record<string, (number | null)[]>} before @returns {Record<string, (number | null)[]>}
 */
export function overlay(after, before) {
  const t0 = [...new Set([...(after.t ?? []), ...(before.t ?? [])])].sort((a, b) => Number(a) - Number(b));
  /** @type {Record<string, (number | null)[]>} */
  const columns = { t: t0 };
  for (const [prefix, from] of /** @type {[string, Record<string, (number | null)[]>][]} */ ([
    ['', after],
    ['before_', before],
  ])) {
    const at = new Map((from.t ?? []).map((second, i) => [second, i]));
    for (const key of ['rps', 'fps', 'users', 'response_p95', 'service_p95'])
      columns[prefix + key] = t0.map((second) => from[key]?.[at.get(second) ?? -1] ?? null);
  }
  return columns;
}

/** What the legends say of both, once both are over. @param {import('../types').Source} after @param {import('../types').Source} before */
function wholeOfBoth(after, before) {
  const [one, other] = [after, before].map(({ run, points }) => wholeOf(run.value, points.columns));
  if (!one || !other) return null;
  const earlier = Object.entries(other.values).map(([key, value]) => [`before_${key}`, value]);
  return { ...one, values: { ...one.values, ...Object.fromEntries(earlier) } };
}

/** @param {{before: import('../types').Source, after: import('../types').Source}} props */
function Overlay({ before, after }) {
  const host = useRef(/** @type {HTMLDivElement | null} */ (null));
  useEffect(() => {
    /** @type {Charts | null} */
    let charts = null;
    let gone = false;
    void import('../vendor/uplot.js').then(({ default: uPlot }) => {
      if (gone || !host.current) return;
      charts = new Charts(uPlot, host.current, { specs: specs(), words: words() });
      charts.setData(overlay(after.points.columns, before.points.columns), [], wholeOfBoth(after, before));
    });
    return () => {
      gone = true;
      charts?.destroy();
      host.current?.replaceChildren();
    };
  }, [before, after, lang.value, painted.value]);
  return html`<div class="charts" ref=${host}></div>`;
}
