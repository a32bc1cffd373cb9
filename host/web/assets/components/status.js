// The line that is always there: how the run stands, in one look.
import { html } from '../ui.js';
import { t } from '../i18n.js';
import { clock, count, percent, rate, time } from '../format.js';
import { StatePill } from './state.js';

/** @param {{run: import('../types').Run}} props @returns {import('../types').View} */
export function StatusLine({ run }) {
  const over = run.state === 'finished';
  const now = over ? null : run.window;
  const times = (over ? run.total.response_time_ms : now?.response_time_ms) ?? null;
  const service = (over ? run.total.service_time_ms : now?.service_time_ms) ?? null;
  const failures = over ? ratio(run.total.failures, run.total.requests) : now && now.rps > 0 ? now.fps / now.rps : now ? 0 : null;
  const alive = run.workers - run.workers_lost;
  const share = run.length_seconds ? Math.min(1, run.elapsed_seconds / run.length_seconds) : null;
  return html`<section class="status" aria-label=${t('status')} data-testid="status">
    <div class="cell state">${html`<${StatePill} run=${run} />`}
      <small>${over ? '' : run.phase}</small></div>
    ${cell('elapsed', t('elapsed'), clock(run.elapsed_seconds), run.remaining_seconds != null && !over ? t('left', { time: clock(run.remaining_seconds) }) : run.length_seconds ? t('of', { time: clock(run.length_seconds) }) : t('open_ended'), '', share)}
    ${cell('users', t('users'), count(run.users), run.users_wanted != null ? t('wanted', { n: count(run.users_wanted) }) : '')}
    ${cell('rate', t('requests_per_second'), rate(over ? run.total.rps : now?.rps), run.rate_wanted != null ? t('wanted_rate', { n: rate(run.rate_wanted) }) : t('n_requests', { n: count(run.total.requests) }))}
    ${cell('failures', t('failures'), percent(failures), t('n_failed', { n: count(run.total.failures) }), failures ? (failures > 0.05 ? 'bad' : 'warn') : '')}
    ${cell('p95', t('response_p95'), time(times?.p95), service ? t('service_is', { time: time(service.p95) }) : '')}
    ${cell('workers', t('workers'), count(alive), run.workers_lost ? t('n_lost', { n: run.workers_lost }) : run.unserved > 0.001 ? t('unserved', { share: percent(run.unserved) }) : '', run.workers_lost || run.unserved > 0.001 ? 'warn' : '')}
    ${health(run)}
  </section>`;
}

/** @param {number} part @param {number} whole @returns {number | null} */
const ratio = (part, whole) => (whole ? part / whole : null);

/** @param {string} id @param {string} label @param {string} value @param {string} sub @param {string} [kind] @param {number | null} [share] */
function cell(id, label, value, sub, kind = '', share = null) {
  return html`<div class=${`cell ${kind}`} data-testid=${`status-${id}`}><span class="label">${label}</span><b>${value}</b><small>${sub || ' '}</small>
    ${share !== null && html`<progress max="1" value=${share} aria-hidden="true"></progress>`}</div>`;
}

/** @param {import('../types').Run} run */
function health(run) {
  const { generator } = run;
  const busy = generator.saturated ?? (generator.saturated_seconds > 0 ? generator.first_reason : null);
  const kind = generator.saturated ? 'bad' : busy ? 'warn' : 'good';
  const word = generator.saturated ? t('saturated') : busy ? t('was_saturated') : t('healthy');
  return html`<div class=${`cell ${kind === 'good' ? '' : kind}`} data-testid="status-generator" title=${busy ?? t('generator_hint')}>
    <span class="label">${t('generator')}</span><b class="word">${word}</b>
    <small>${t('cpu_is', { share: percent(generator.cpu) })}${generator.start_lag_p99_ms ? ` · ${t('lag_is', { time: time(generator.start_lag_p99_ms) })}` : ''}</small></div>`;
}
