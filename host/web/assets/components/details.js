// What the run was given, what happened in it, and how far its numbers can be trusted.
import { html } from '../ui.js';
import { t } from '../i18n.js';
import { clock, count, dateTime, percent, span, time } from '../format.js';
import { endWord, notesOf } from './state.js';
import { Losses } from './tables.js';
import { Copy } from './copy.js';

/** @param {{run: import('../types').Run}} props @returns {import('../types').View} */
export function Details({ run }) {
  const notes = notesOf(run);
  const capped = Object.entries(run.counters?.capped ?? {});
  const params = Object.entries(run.params ?? {});
  return html`<div class="details">
    <section><h3>${t('the_run')}</h3><dl class="facts">
      ${fact(t('run_id'), html`<code>${run.run}</code><${Copy} text=${run.run} />`)}
      ${fact(t('scenario'), `${run.scenario} ${run.scenario_version ?? ''}`)}
      ${fact(t('module'), html`<code class="digest">${run.module}</code><${Copy} text=${run.module} />`)}
      ${fact(t('target'), run.target ?? t('none'))}
      ${fact(t('started'), dateTime(run.started_at))}
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
    ${params.length > 0 && html`<section><h3>${t('parameters')}</h3><dl class="facts">${params.map(([name, value]) => fact(name, html`<code>${value}</code>`))}</dl></section>`}
    <section class="wide"><h3>${t('events')}</h3>
      ${notes.length ? html`<ul class="events" data-testid="notes">${notes.map((note) => html`<li class=${note.kind}><b>${note.at_seconds == null ? '' : clock(note.at_seconds)}</b> ${note.message}</li>`)}</ul>` : html`<p class="none">${t('no_events')}</p>`}
      <${Losses} run=${run} /></section>
  </div>`;
}

/** @param {string} name @param {unknown} value */
const fact = (name, value) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`;
