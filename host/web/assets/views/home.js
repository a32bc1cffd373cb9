// The runs: what goes on, and what was.
import { html, useEffect, useState } from '../ui.js';
import { fleet, go, onlyWatches, runs, session } from '../store.js';
import { get } from '../api.js';
import { t } from '../i18n.js';
import { clock, count, date, percent, rate, span, time } from '../format.js';
import { Icon } from '../icons.js';
import { Faults, StatePill } from '../components/basics.js';
import { Table } from '../components/table.js';

/** @typedef {import('../types').RunShort} RunShort */

/** @returns {import('../types').View} */
export function View() {
  const [kept, setKept] = useState(/** @type {RunShort[] | null} */ (null));
  const [error, setError] = useState(/** @type {any} */ (null));
  const [more, setMore] = useState(true);
  const going = Object.values(runs.value).filter((run) => run.state !== 'finished');
  const states = Object.values(runs.value)
    .map((run) => run.run + run.state)
    .join();
  useEffect(() => {
    get('runs?limit=50').then((answer) => {
      setKept(answer.runs);
      setMore(answer.more);
      setError(null);
    }, setError);
  }, [states]);
  const earlier = async () => {
    const last = kept?.[kept.length - 1];
    try {
      const answer = await get(`runs?limit=50&before=${encodeURIComponent(last?.run ?? '')}`);
      setKept([...(kept ?? []), ...answer.runs]);
      setMore(answer.more);
    } catch (failed) {
      setError(failed);
    }
  };
  const over = (kept ?? []).filter((run) => !going.some((one) => one.run === run.run));
  return html`<div class="stack home">
    ${going.map((run) => html`<${Going} key=${run.run} run=${run} />`)}
    ${
      !going.length &&
      html`<section class="card start"><div><h1>${t('nothing_goes_on')}</h1>
      <p class="muted">${t('n_workers_ready', { n: Object.values(fleet.value?.workers ?? {}).filter((worker) => worker.liveness === 'alive').length })}</p></div>
      ${
        session.value?.single_run
          ? html`<p class="muted">${t('single_run')}</p>`
          : onlyWatches()
            ? html`<p class="muted" data-testid="only-watch">${t('only_watch')}</p>`
            : html`<a class="button primary" href="#/new" data-testid="start-new"><${Icon} name="play" />${t('start_a_run')}</a>`
      }</section>`
    }
    <h2>${t('history')}</h2>
    ${error && html`<${Faults} error=${error} />`}
    <${History} runs=${over} more=${more && over.length > 0} earlier=${earlier} loading=${kept === null && !error} />
  </div>`;
}

/** @param {{run: RunShort}} props */
function Going({ run }) {
  return html`<a class="card going" href=${`#/runs/${run.run}`} data-testid="going">
    <div><h1>${run.scenario} <span class="muted">${run.scenario_version ?? ''}</span></h1><p><${StatePill} run=${run} /> <span
        class="muted">${run.target ?? ''}</span></p></div>
    <dl>${number(t('elapsed'), clock(run.elapsed_seconds))}${number(t('users'), count(run.users))}${number(t('requests_per_second'), rate(run.rps))}
      ${number(t('failures'), percent(run.failure_ratio))}${number(t('response_p95'), time(run.p95_ms))}</dl><${Icon} name="right" size=${20} /></a>`;
}

/** @param {string} label @param {string} value */
const number = (label, value) => html`<div><dt>${label}</dt><dd>${value}</dd></div>`;

/** @param {{runs: RunShort[], more: boolean, earlier: () => void, loading: boolean}} props */
function History({ runs: all, more, earlier, loading }) {
  const [picked, setPicked] = useState(/** @type {string[]} */ ([]));
  /** @param {string} id */
  const pick = (id) => setPicked(picked.includes(id) ? picked.filter((one) => one !== id) : [...picked.slice(-1), id]);
  /** @type {import('../components/table.js').Column<RunShort>[]} */
  const columns = [
    {
      key: 'scenario',
      label: t('scenario'),
      text: true,
      value: (run) => run.scenario,
      show: (run) => html`<a href=${`#/runs/${run.run}`}>${run.scenario}</a> <span class="muted">${run.scenario_version ?? ''}</span>`,
    },
    {
      key: 'state',
      label: t('result'),
      text: true,
      value: (run) => run.ended?.reason ?? run.state,
      show: (run) => html`<${StatePill} run=${run} />`,
    },
    {
      key: 'started',
      label: t('started'),
      text: true,
      value: (run) => String(run.started_at ?? run.run),
      show: (run) => date(run.started_at),
    },
    { key: 'length', label: t('length'), value: (run) => run.elapsed_seconds, show: (run) => span(run.elapsed_seconds) },
    { key: 'requests', label: t('requests'), value: (run) => run.requests ?? null, show: (run) => count(run.requests) },
    { key: 'rps', label: t('per_second'), value: (run) => run.rps, show: (run) => rate(run.rps) },
    {
      key: 'failed',
      label: t('failed_share'),
      value: (run) => run.failure_ratio,
      show: (run) => percent(run.failure_ratio),
      kind: (run) => (run.failure_ratio ? 'bad' : 'zero'),
    },
    { key: 'p95', label: 'p95', value: (run) => run.p95_ms, show: (run) => time(run.p95_ms) },
    {
      key: 'note',
      label: t('note'),
      text: true,
      grow: true,
      value: (run) => `${(run.tags ?? []).join(' ')} ${run.note ?? ''}`,
      show: (run) => html`${(run.tags ?? []).map((tag) => html`<span class="tag">${tag}</span>`)}${run.note}`,
    },
    {
      key: 'pick',
      label: t('compare'),
      text: true,
      value: (run) => Number(picked.includes(run.run)),
      show: (run) =>
        html`<input type="checkbox" checked=${picked.includes(run.run)} aria-label=${t('pick_run', { name: run.scenario, at: date(run.started_at) })}
            onChange=${() => pick(run.run)} data-testid=${`pick-${run.run}`} />`,
    },
  ];
  const compare = () => {
    const [older, newer] = [...picked].sort();
    go(`/runs/${newer}/compare/${older}`);
  };
  return html`<div class="card panel" data-testid="history"><${Table} id="history" label=${t('history')} rows=${all} columns=${columns}
      sort="-started" keyOf=${(/** @type {RunShort} */ run) => run.run}
    filter=${(/** @type {RunShort} */ run) => `${run.scenario} ${run.scenario_version ?? ''} ${(run.tags ?? []).join(' ')} ${run.note ?? ''} ${run.run}`} empty=${loading ? t('loading') : t('no_runs')}
    tools=${html`<button type="button" class="small" disabled=${picked.length !== 2} onClick=${compare} data-testid="compare-picked"><${Icon}
        name="compare" />${t('compare_two')}</button>`}
    note=${more && html`<p class="note"><button type="button" class="small" onClick=${earlier}>${t('earlier_runs')}</button></p>`} /></div>`;
}
