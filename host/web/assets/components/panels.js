// What the tabs below the charts hold, but for the requests; fetched when one of them is opened.
import '../more.js';
import { html, useEffect, useMemo, useState } from '../ui.js';
import { fleet } from '../store.js';
import { get } from '../api.js';
import { t } from '../i18n.js';
import { clock, count, dateTime, ms, NONE, percent, rate, short, span, time } from '../format.js';
import { Icon } from '../icons.js';
import { Copy, endWord, Faults, list, notesOf, thresholdsOf } from './basics.js';
import { thresholdValue } from './run-head.js';
import { Table } from './table.js';
import { WorkersTable } from './workers-table.js';

/** @typedef {import('../types').Run} Run @typedef {import('../types').Times} Times */

/** @type {Record<string, (props: {run: Run, logs: any[], live: boolean}) => import('../types').View>} */
export const PANELS = { failures: Failures, checks: Checks, metrics: Metrics, tasks: Tasks, workers: RunWorkers, logs: RunLogs, details: Details };

/**
 * What the API has of a run beside its detail; null until it has answered.
 * @param {string} path @param {boolean} wanted @returns {any}
 */
function useAnswer(path, wanted) {
  const [answer, setAnswer] = useState(/** @type {any} */ (null));
  useEffect(() => {
    setAnswer(null);
    if (wanted) get(path).then(setAnswer, (error) => setAnswer({ error }));
  }, [path, wanted]);
  return answer;
}

/** @param {{run: Run}} props */
function RunWorkers({ run }) {
  const over = run.state === 'finished';
  // Afterwards they do other work: the run's own are those that were seen.
  const kept = useAnswer(`runs/${encodeURIComponent(run.run)}/workers`, over);
  if (kept?.error) return html`<${Faults} error=${kept.error} />`;
  if (over) return kept ? html`<p class="note muted">${t('workers_at_end')}</p><${WorkersTable} workers=${list(kept.workers)} />` : null;
  return html`<${WorkersTable} workers=${list(fleet.value?.workers).filter((worker) => worker.run === run.run)} />`;
}

/** @param {{run: Run, logs: any[], live: boolean}} props */
function RunLogs({ run, logs, live }) {
  const kept = useAnswer(`logs?run=${encodeURIComponent(run.run)}`, !live);
  if (kept?.error) return html`<${Faults} error=${kept.error} />`;
  return live || kept ? html`<${Logs} lines=${live ? logs : kept.lines} />` : null;
}

/** @param {{run: Run}} props @returns {import('../types').View} */
function Details({ run }) {
  const thresholds = thresholdsOf(run);
  const states = { ok: t('threshold_ok'), broken: t('threshold_broken'), 'no-data': t('threshold_no_data') };
  const broken = (run.breaches ?? []).map((one) => ({ at_seconds: one.at_seconds, kind: 'warning', message: breachWords(one) }));
  const notes = [...notesOf(run), ...broken].sort((a, b) => (a.at_seconds ?? -1) - (b.at_seconds ?? -1));
  const capped = Object.entries(run.counters?.capped ?? {});
  const params = Object.entries(run.params ?? {});
  return html`<div class="details">
    <section><h3>${t('the_run')}</h3><dl class="facts">
      ${fact(t('run_id'), html`<code>${run.run}</code><${Copy} text=${run.run} />`)}
      ${fact(t('scenario'), `${run.scenario} ${run.scenario_version ?? ''}`)}
      ${fact(t('module'), html`<code class="digest">${run.module}</code><${Copy} text=${run.module} />`)}
      ${fact(t('target'), run.target ?? t('none'))}
      ${fact(t('started'), dateTime(run.started_at))}
      ${run.started_by ? fact(t('started_by'), run.started_by) : null}
      ${fact(t('length'), run.length_seconds == null ? t('open_ended') : span(run.length_seconds))}
      ${fact(t('seed'), String(run.seed))}
      ${run.ended ? fact(t('ended'), endWord(run.ended)) : null}
      ${fact(t('counted'), run.counted_from_seconds > 0 ? t('counted_from', { time: span(run.counted_seconds), at: clock(run.counted_from_seconds) }) : span(run.counted_seconds))}
    </dl></section>
    <section><h3>${t('trust')}</h3><dl class="facts">
      ${fact(t('generator_cpu_peak'), percent(run.generator.cpu_peak))}
      ${fact(t('saturated_for'), run.generator.saturated_seconds > 0 ? `${span(run.generator.saturated_seconds)} – ${run.generator.first_reason ?? ''}` : t('never'))}
      ${fact(t('start_lag'), time(run.generator.start_lag_p99_ms))}
      ${fact(t('timer_lag'), time(run.generator.loop_lag_p99_ms))}
      ${fact(t('dropped_arrivals'), `${count(run.counters?.dropped_arrivals)} / ${count(run.counters?.arrivals)}`)}
      ${fact(t('interrupted'), count(run.counters?.interrupted))}
      ${fact(t('crashed_users'), count(run.counters?.crashed_users))}
      ${fact(t('missing_intervals'), count(run.collection?.missing))}
      ${capped.map(([cap, n]) => fact(t('refused_by', { cap }), count(n)))}
    </dl></section>
    ${params.length > 0 && html`<section><h3>${t('parameters')}</h3><dl
        class="facts">${params.map(([name, value]) => fact(name, html`<code>${value}</code>`))}</dl></section>`}
    ${thresholds.length > 0 && html`<section><h3>${t('thresholds')}</h3><dl class="facts" data-testid="threshold-facts">${thresholds.map((one) =>
      fact(html`<code>${one.text}</code>`, `${states[one.state] ?? one.state}${one.value == null ? '' : ` (${thresholdValue(one)})`}`),
    )}</dl></section>`}
    <section class="wide"><h3>${t('events')}</h3>
      ${notes.length ? html`<ul class="events" data-testid="notes">${notes.map((note) => html`<li
          class=${note.kind}><b>${note.at_seconds == null ? '' : clock(note.at_seconds)}</b> ${note.message}</li>`)}</ul>` : run.losses?.length ? null : html`<p class="none">${t('no_events')}</p>`}
      <${Losses} run=${run} /></section>
  </div>`;
}

/** @param {unknown} name @param {unknown} value */
const fact = (name, value) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`;

/** Lines that are drawn. */
const DRAWN = 300;
const LEVELS = ['error', 'warn', 'info', 'debug', 'trace'];

/** @param {{lines: any[]}} props @returns {import('../types').View} */
function Logs({ lines }) {
  const [needle, setNeedle] = useState('');
  const [level, setLevel] = useState('trace');
  const least = LEVELS.indexOf(level);
  const found = lines.filter((line) => {
    const at = LEVELS.indexOf(String(line.level ?? 'info').toLowerCase());
    return (at < 0 || at <= least) && (!needle || JSON.stringify(line).toLowerCase().includes(needle.toLowerCase()));
  });
  return html`<div data-testid="logs"><div class="tools">
      <label class="search"><${Icon} name="filter" /><span class="sr-only">${t('filter')}</span><input type="search" data-filter
          placeholder=${t('filter')} value=${needle} onInput=${(/** @type {any} */ event) => setNeedle(event.target.value)} /></label>
      <label class="inline">${t('level')} <select value=${level}
          onChange=${(/** @type {any} */ event) => setLevel(event.target.value)}>${LEVELS.map((one) => html`<option value=${one}>${one}</option>`)}</select></label>
      <span class="muted small">${t('n_lines', { n: count(found.length) })}</span></div>
    ${
      found.length
        ? html`<ol class="logs" tabindex="0" aria-label=${t('logs')}>${found
            .slice(-DRAWN)
            .reverse()
            .map(
              (line) => html`
      <li class=${String(line.level ?? '').toLowerCase()}><time>${line.at_seconds != null ? clock(line.at_seconds) : ''}</time><b>${line.level ?? ''}</b>
        <span class="muted">${[line.worker, line.user != null ? `#${line.user}` : ''].filter(Boolean).join(' ')}</span><span
            class="message">${line.message ?? String(line)}</span></li>`,
            )}</ol>`
        : html`<p class="none">${t('no_logs')}</p>`
    }</div>`;
}

/** @param {any} origin a request or a task @returns {string} */
function originWord(origin) {
  const { method, name, user_type: type, task } = origin?.request ?? origin?.task ?? {};
  return name !== undefined ? `${method} ${name}` : type !== undefined ? `${type} ${task}` : NONE;
}

/** @param {{run: Run}} props @returns {import('../types').View} */
function Failures({ run }) {
  const rows = useMemo(() => list(run.errors), [run.errors]);
  const [open, setOpen] = useState('');
  const key = (/** @type {import('../types').RunError} */ error) => `${originWord(error.origin)}|${error.code}|${error.message}`;
  const picked = rows.find((error) => key(error) === open) ?? rows.find((error) => error.detail) ?? null;
  /** @type {import('./table.js').Column<import('../types').RunError>[]} */
  const columns = [
    { key: 'message', label: t('message'), text: true, grow: true, value: (row) => row.message || row.code },
    { key: 'code', label: t('code'), text: true, value: (row) => row.code },
    { key: 'origin', label: t('where'), text: true, value: (row) => originWord(row.origin) },
    { key: 'count', label: t('occurrences'), value: (row) => row.count, show: (row) => count(row.count) },
    { key: 'first', label: t('first'), value: (row) => row.first_seconds, show: (row) => clock(row.first_seconds) },
    { key: 'last', label: t('last'), value: (row) => row.last_seconds, show: (row) => clock(row.last_seconds) },
    {
      key: 'frames',
      label: t('frames'),
      text: true,
      value: (row) => (row.detail ? 1 : 0),
      show: (row) =>
        row.detail ? html`<button type="button" class="link" onClick=${() => setOpen(key(row))}>${t('show')}</button>` : NONE,
    },
  ];
  return html`<div><${Table} id="failures" label=${t('failures')} rows=${rows} columns=${columns} sort="-count" keyOf=${key} filter=${key} empty=${t('no_failures')}
    onPick=${(/** @type {any} */ row) => setOpen(key(row))}
    note=${run.errors_omitted > 0 && html`<p class="note warn">${t('errors_omitted', { n: count(run.errors_omitted) })}</p>`} />
    ${picked?.detail && html`<figure class="frames" data-testid="frames"><figcaption><b>${picked.message || picked.code}</b> <span
        class="muted">${originWord(picked.origin)} · ${t('one_case')}</span></figcaption><pre>${picked.detail}</pre></figure>`}</div>`;
}

/** @param {{run: Run}} props @returns {import('../types').View} */
function Checks({ run }) {
  const checks = useMemo(() => list(run.checks), [run.checks]);
  const groups = useMemo(() => list(run.groups), [run.groups]);
  /** @type {import('./table.js').Column<import('../types').Check>[]} */
  const columns = [
    { key: 'name', label: t('check'), text: true, grow: true, value: (row) => row.name },
    { key: 'group', label: t('group'), text: true, value: (row) => row.group, show: (row) => row.group || NONE },
    { key: 'passes', label: t('passes'), value: (row) => row.passes, show: (row) => count(row.passes) },
    {
      key: 'failures',
      label: t('fails'),
      value: (row) => row.failures,
      show: (row) => count(row.failures),
      kind: (row) => (row.failures ? 'bad' : 'zero'),
    },
    {
      key: 'share',
      label: t('pass_share'),
      value: (row) => row.passes / Math.max(1, row.passes + row.failures),
      show: (row) => meter(row.passes / Math.max(1, row.passes + row.failures)),
    },
  ];
  /** @type {import('./table.js').Column<import('../types').Group>[]} */
  const groupColumns = [
    { key: 'path', label: t('group'), text: true, grow: true, value: (row) => row.path },
    ...durations((/** @type {any} */ row) => row.duration_ms),
  ];
  return html`<div class="stack"><${Table} id="checks" label=${t('checks')} rows=${checks} columns=${columns} sort="-failures"
      keyOf=${(/** @type {any} */ row) => `${row.group} ${row.name}`} filter=${(/** @type {any} */ row) => `${row.group} ${row.name}`} empty=${t('no_checks')} />
    ${groups.length > 0 && html`<h3>${t('groups')}</h3><${Table} id="groups" label=${t('groups')} rows=${groups} columns=${groupColumns} sort="-p95"
        keyOf=${(/** @type {any} */ row) => row.path} />`}</div>`;
}

/** @param {(row: any) => Times | null} of @returns {import('./table.js').Column<any>[]} */
const durations = (of) => [
  { key: 'count', label: t('count'), value: (row) => of(row)?.count ?? null, show: (row) => count(of(row)?.count) },
  .../** @type {[keyof Times, string][]} */ ([
    ['mean', t('mean_ms')],
    ['p50', 'p50'],
    ['p95', 'p95'],
    ['p99', 'p99'],
    ['max', t('max_ms')],
  ]).map(([which, label]) => ({
    key: which,
    label,
    value: (/** @type {any} */ row) => of(row)?.[which] ?? null,
    show: (/** @type {any} */ row) => ms(of(row)?.[which]),
  })),
];

/** @param {number} value 0 to 1 @param {number | null} [wanted] */
const meter = (value, wanted = null) =>
  html`<span class="meter"><span>${percent(value)}</span><meter min="0" max="1" value=${value}
      aria-hidden="true"></meter>${wanted !== null && html`<i class="want" style=${{ right: `${(1 - wanted) * 72}px` }}></i>`}</span>`;

/** @param {{run: Run}} props @returns {import('../types').View} */
function Tasks({ run }) {
  const tasks = useMemo(() => list(run.tasks), [run.tasks]);
  /** @type {import('./table.js').Column<import('../types').Task>[]} */
  const columns = [
    { key: 'task', label: t('task'), text: true, grow: true, value: (row) => row.task },
    { key: 'user_type', label: t('user_type'), text: true, value: (row) => row.user_type },
    { key: 'iterations', label: t('iterations'), value: (row) => row.iterations, show: (row) => count(row.iterations) },
    {
      key: 'failures',
      label: t('failures'),
      value: (row) => row.failures,
      show: (row) => count(row.failures),
      kind: (row) => (row.failures ? 'bad' : 'zero'),
    },
    { key: 'rate', label: t('per_second'), value: (row) => row.rate, show: (row) => rate(row.rate) },
    { key: 'wanted', label: t('share_wanted'), value: (row) => row.share_wanted, show: (row) => percent(row.share_wanted) },
    { key: 'share', label: t('share_seen'), value: (row) => row.share, show: (row) => meter(row.share, row.share_wanted) },
    { key: 'p50', label: 'p50', value: (row) => row.duration_ms?.p50 ?? null, show: (row) => ms(row.duration_ms?.p50) },
    { key: 'p95', label: 'p95', value: (row) => row.duration_ms?.p95 ?? null, show: (row) => ms(row.duration_ms?.p95) },
  ];
  const byType = Object.entries(run.users_by_type ?? {});
  return html`<div class="stack">${byType.length > 0 && html`<p class="muted">${byType.map(([type, n]) => html`<span class="tag">${type}: ${count(n)}</span>`)}</p>`}
    <${Table} id="tasks" label=${t('tasks')} rows=${tasks} columns=${columns} sort="-iterations"
        keyOf=${(/** @type {any} */ row) => `${row.user_type} ${row.task}`} /></div>`;
}

/** @param {import('../types').Metric} metric @returns {string} */
function metricWord({ kind, value, unit }) {
  const n = (/** @type {number} */ number) => `${short(number)}${unit ? ` ${unit}` : ''}`;
  if (kind === 'counter') return `${n(value.sum)} · ${t('rate_is', { n: rate(value.rate) })}`;
  if (kind === 'gauge') return `${n(value.last)} (${n(value.min)} … ${n(value.max)})`;
  if (kind === 'rate')
    return `${percent(value.passes / Math.max(1, value.passes + value.failures))} (${count(value.passes)} / ${count(value.passes + value.failures)})`;
  return `p50 ${n(value.p50)} · p95 ${n(value.p95)} · p99 ${n(value.p99)} · ${t('max_ms')} ${n(value.max)} · ${t('n_values', { n: count(value.count) })}`;
}

/** @param {{run: Run}} props @returns {import('../types').View} */
function Metrics({ run }) {
  const metrics = useMemo(() => list(run.metrics), [run.metrics]);
  const tags = (/** @type {any} */ row) =>
    Object.entries(row.tags ?? {})
      .map((pair) => pair.join('='))
      .join(' ');
  /** @type {import('./table.js').Column<import('../types').Metric>[]} */
  const columns = [
    { key: 'name', label: t('name'), text: true, value: (row) => row.name },
    { key: 'tags', label: t('tags'), text: true, value: tags, show: (row) => tags(row) || NONE },
    { key: 'kind', label: t('kind'), text: true, value: (row) => row.kind },
    { key: 'value', label: t('value'), text: true, grow: true, value: (row) => metricWord(row) },
  ];
  return html`<div class="stack"><${Table} id="metrics" label=${t('metrics')} rows=${metrics} columns=${columns} sort="name"
      keyOf=${(/** @type {any} */ row) => `${row.name} ${tags(row)}`} filter=${(/** @type {any} */ row) => row.name} empty=${t('no_metrics')} />
    <${Shared} shared=${run.shared} /></div>`;
}

/** What is kept by its name. @param {Record<string, any>} all @returns {any[]} */
const named = (all) => Object.entries(all ?? {}).map(([name, one]) => ({ name, ...one }));

/** @param {{shared: any}} props */
function Shared({ shared }) {
  const leased = [
    ...named(shared?.rows).map((row) => ({ ...row, what: t('rows') })),
    ...named(shared?.numbers).map((row) => ({ ...row, what: t('numbers') })),
  ];
  const counters = Object.entries(shared?.counters ?? {});
  const meetings = named(shared?.meetings);
  if (!leased.length && !counters.length && !meetings.length) return null;
  /** @type {import('./table.js').Column<any>[]} */
  const columns = [
    { key: 'name', label: t('name'), text: true, grow: true, value: (row) => row.name },
    { key: 'what', label: t('kind'), text: true, value: (row) => row.what },
    { key: 'total', label: t('there_are'), value: (row) => row.total, show: (row) => count(row.total) },
    { key: 'taken', label: t('taken'), value: (row) => row.taken, show: (row) => count(row.taken) },
    { key: 'in_stock', label: t('in_stock'), value: (row) => row.in_stock, show: (row) => count(row.in_stock) },
    { key: 'withheld', label: t('withheld'), value: (row) => row.withheld, show: (row) => count(row.withheld) },
    { key: 'repeated', label: t('repeated'), value: (row) => row.repeated, show: (row) => count(row.repeated) },
  ];
  return html`<h3>${t('shared')}</h3>
    ${leased.length > 0 && html`<${Table} id="shared" label=${t('shared')} rows=${leased} columns=${columns} sort="name"
        keyOf=${(/** @type {any} */ row) => row.what + row.name} />`}
    ${counters.length > 0 && html`<p>${counters.map(([name, sum]) => html`<span class="tag">${name} = ${count(/** @type {number} */ (sum))}</span>`)}</p>`}
    ${meetings.length > 0 && html`<p>${meetings.map((meeting) => html`<span
        class="tag">${t('meeting_is', { name: meeting.name, size: count(meeting.size), waiting: count(meeting.waiting), n: count(meeting.releases) })}</span>`)}</p>`}`;
}

/** @param {{run: Run}} props @returns {import('../types').View} */
function Losses({ run }) {
  const losses = list(run.losses);
  if (!losses.length) return null;
  return html`<ul class="events">${losses.map((loss) => html`<li class="bad"><b>${clock(loss.at_seconds)}</b> ${lossWords(loss)}</li>`)}</ul>`;
}

/** @param {import('../types').Loss} loss @returns {string} */
function lossWords(loss) {
  const { worker, share: part, unmeasured_seconds: unmeasured, served_seconds: served, returned_seconds: returned, moved } = loss;
  return [
    t('lost_worker', { worker, share: percent(part), unmeasured: span(unmeasured) }),
    served != null ? t('lost_served', { at: clock(served) }) : moved ? '' : t('lost_not_moved'),
    returned != null ? t('lost_returned', { at: clock(returned) }) : '',
  ].join(' ');
}

/** @param {import('../types').Breach} breach @returns {string} */
function breachWords({ threshold, until_seconds: until }) {
  return `${t('mark_broken', { threshold })}${until == null ? '' : ` ${t('until', { at: clock(until) })}`}`;
}
