// One run: live, or kept. Both are read through the same `Source`.
import { html, useEffect, useMemo, useState } from '../ui.js';
import { connection, doc, expected, keptSource, live, logs, route, run as liveRun, runs, toast, version } from '../store.js';
import { get } from '../api.js';
import { t } from '../i18n.js';
import { RunHead, StatusLine, Thresholds } from '../components/run-head.js';
import { RunCharts } from '../components/run-charts.js';
import { RunTabs } from '../components/run-tabs.js';

/** @type {import('../types').Source} */
const LIVE = { run: liveRun, points: live.points, version, logs, live: true };

/** @returns {import('../types').View} */
export function View() {
  const id = route.value.path[1] ?? '';
  const isLive = id === 'current' || id === expected.value || id in runs.value;
  if (isLive && liveRun.value && (id === 'current' || liveRun.value.run === id)) return html`<${Page} source=${LIVE} />`;
  if (isLive || (doc.value === null && connection.value.state !== 'retrying')) return html`<p class="loading">${t('loading')}</p>`;
  return html`<${Kept} id=${id} key=${id} />`;
}

/** A run out of the store. @param {{id: string}} props */
function Kept({ id }) {
  const [source, setSource] = useState(/** @type {import('../types').Source | null} */ (null));
  const [error, setError] = useState(/** @type {any} */ (null));
  useEffect(() => {
    const abort = new AbortController();
    Promise.all([get(`runs/${encodeURIComponent(id)}`, abort.signal), get(`runs/${encodeURIComponent(id)}/points`, abort.signal)])
      .then(([run, points]) => setSource(keptSource(run, points)))
      .catch((failed) => failed.name !== 'AbortError' && setError(failed));
    return () => abort.abort();
  }, [id]);
  if (error)
    return html`<section class="card empty" data-testid="no-run"><h1>${error.status === 404 ? t('no_such_run') : t('cannot_load')}</h1><p>${error.message}</p><p class="muted">${error.hint}</p><a class="button" href="#/">${t('back_to_runs')}</a></section>`;
  return source ? html`<${Page} source=${source} />` : html`<p class="loading">${t('loading')}</p>`;
}

/** @param {{source: import('../types').Source}} props */
function Page({ source }) {
  const run = source.run.value;
  const lines = source.logs.value;
  const stale = source.live && connection.value.state === 'retrying';
  const body = useMemo(() => run && html`<${RunTabs} run=${run} logs=${lines} live=${source.live} />`, [run, lines, source]);
  useEffect(() => {
    const moved = run?.ended?.reason === 'worker-failed' ? run.ended.message : '';
    if (moved && source.live) toast('bad', moved);
  }, [run?.ended]);
  if (!run) return null;
  return html`<div class=${stale ? 'run stale' : 'run'} data-testid="run" data-run=${run.run}>
    <${RunHead} run=${run} live=${source.live} source=${source} />
    <${StatusLine} run=${run} />
    <${Thresholds} run=${run} />
    <${RunCharts} source=${source} />
    ${body}
  </div>`;
}
