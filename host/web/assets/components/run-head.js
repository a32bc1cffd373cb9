// The top of a run: what it is, what can be done with it, how it stands, what must hold.
import { html, useEffect, useLayoutEffect, useState } from '../ui.js';
import { go, may, session, toast } from '../store.js';
import { patch, post, remove, url } from '../api.js';
import { t } from '../i18n.js';
import { clock, count, dateTime, NONE, percent, rate, short, shortDigest, time } from '../format.js';
import { Icon } from '../icons.js';
import { Confirm, StatePill, thresholdsOf } from './basics.js';
import { useKeys } from './shell.js';

/** @param {{run: import('../types').Run, live: boolean, source: import('../types').Source}} props @returns {import('../types').View} */
export function RunHead({ run, live }) {
  const [open, setOpen] = useState('');
  const over = run.state === 'finished';
  const changes = live && !over && may('operate');
  // At once, since whoever sees the buttons may press their keys.
  useLayoutEffect(() => {
    if (!changes) return undefined;
    return useKeys({ c: () => setOpen('change'), s: () => setOpen('stop') });
  }, [changes]);
  const close = () => setOpen('');
  const path = `runs/${encodeURIComponent(run.run)}`;
  return html`<header class="run-head">
    <div><h1>${run.scenario}${run.scenario_version && html` <span class="muted">${run.scenario_version}</span>`}</h1>
      <p class="muted small">${run.target && html`<span><${Icon} name="link" size=${13} />${run.target}</span>`}
        <span title=${run.module}><${Icon} name="file" size=${13} /><code>${shortDigest(run.module)}</code></span>
        ${run.started_at && html`<span>${dateTime(run.started_at)}</span>`}</p></div>
    <div class="actions">
      ${
        changes &&
        html`
        <button type="button" onClick=${() => setOpen('change')} data-testid="change"><${Icon} name="tune" />${t('change_load')}</button>
        ${!session.value?.single_run && html`<button type="button" onClick=${() => setOpen('version')} data-testid="new-version"><${Icon}
            name="upload" /><span class="wide-only">${t('new_version')}</span></button>`}
        <button type="button" onClick=${() => setOpen('reset')} data-testid="reset" title=${t('reset_hint')}><${Icon} name="reset" /><span
            class="wide-only">${t('reset')}</span></button>
        <button type="button" class="danger" onClick=${() => setOpen('stop')} data-testid="stop"><${Icon} name="stop" />${t('stop')}</button>`
      }
      ${
        over &&
        html`
        <${Downloads} path=${path} />
        <button type="button" onClick=${() => setOpen('compare')} data-testid="compare"><${Icon} name="compare" />${t('compare')}</button>
        ${may('operate') && !session.value?.single_run && html`<a class="button primary" href=${`#/new?scenario=${run.module}`}
            data-testid="again"><${Icon} name="play" />${t('run_again')}</a>`}
        ${may('operate') && html`<button type="button" class="ghost" onClick=${() => setOpen('delete')} aria-label=${t('delete')}
            title=${t('delete')} data-testid="delete"><${Icon} name="trash" /></button>`}`
      }
    </div>
    <${Versions} run=${run} />
    <${NoteEditor} key=${run.run} run=${run} />
    ${(open === 'change' || open === 'version' || open === 'compare') && html`<${Action} key=${open} name=${open} run=${run} onClose=${close} />`}
    ${open === 'reset' && html`<${Confirm} title=${t('reset')} text=${t('reset_question')} action=${t('reset')} onClose=${close}
        onDo=${() => act(`${path}/reset`, {}, t('reset_done'))} />`}
    ${open === 'delete' && html`<${Confirm} title=${t('delete')} text=${t('delete_question')} action=${t('delete')} danger onClose=${close} onDo=${() => drop(path)} />`}
    ${open === 'stop' && html`<${StopDialog} path=${path} onClose=${close} />`}
  </header>`;
}

/** A dialog that is fetched when it is opened. @param {{name: 'change' | 'version' | 'compare', run: import('../types').Run, onClose: () => void}} props */
function Action({ name, run, onClose }) {
  const [dialogs, setDialogs] = useState(/** @type {typeof import('./run-actions.js').DIALOGS | null} */ (null));
  useEffect(() => void import('./run-actions.js').then((module) => setDialogs(module.DIALOGS)), []);
  return dialogs && html`<${dialogs[name]} run=${run} onClose=${onClose} />`;
}

/** How a new version of the scenario comes to the users. @param {{run: import('../types').Run}} props */
function Versions({ run }) {
  const { next, refused, behind = 0 } = run.versions ?? {};
  const name = (/** @type {import('../types').Version} */ one) => one.version ?? shortDigest(one.module);
  if (next) return html`<p class="note-line" data-testid="version-next"><${Icon} name="upload" size=${13} /> ${t('version_next', { name: name(next), n: next.ready, of: next.of })}</p>`;
  if (behind > 0) return html`<p class="note-line" data-testid="version-behind">${t('version_behind', { n: count(behind) })}</p>`;
  return refused ? html`<p class="note-line fault" data-testid="version-refused">${t('version_refused', { name: shortDigest(refused.module) })} ${refused.message}</p>` : null;
}

/** @param {{path: string, onClose: () => void}} props */
function StopDialog({ path, onClose }) {
  const now = async () => {
    await act(`${path}/stop`, { mode: 'now' }, t('stopping'));
    onClose();
  };
  return html`<${Confirm} title=${t('stop')} action=${t('stop_gracefully')} onClose=${onClose} onDo=${() => act(`${path}/stop`, { mode: 'graceful' }, t('stopping'))}
    text=${html`${t('stop_question')} <button type="button" class="link bad" onClick=${now} data-testid="stop-now">${t('stop_now')}</button>`} />`;
}

/** @param {{path: string}} props */
function Downloads({ path }) {
  /** @type {[string, string][]} */
  const files = [
    ['report.html', t('html_report')],
    ['results.json', 'JSON'],
    ['junit.xml', 'JUnit XML'],
    ['stats.csv', t('csv_stats')],
    ['stats_history.csv', t('csv_history')],
    ['failures.csv', t('csv_failures')],
    ['exceptions.csv', t('csv_exceptions')],
  ];
  return html`<details class="menu"><summary class="button" data-testid="downloads"><${Icon} name="download" />${t('downloads')}</summary>
    <div class="menu-box">${files.map(([file, label]) => html`<a href=${url(`${path}/${file}`)} download>${label}</a>`)}</div></details>`;
}

/** @param {string} path @param {unknown} body @param {string} done */
async function act(path, body, done) {
  try {
    await post(path, body);
    toast('good', done);
  } catch (error) {
    toast('bad', /** @type {any} */ (error).message, /** @type {any} */ (error).hint);
  }
}

/** @param {string} path */
async function drop(path) {
  try {
    await remove(path);
    toast('good', t('deleted'));
    go('/');
  } catch (error) {
    toast('bad', /** @type {any} */ (error).message, /** @type {any} */ (error).hint);
  }
}

/** @param {{run: import('../types').Run}} props @returns {import('../types').View} */
export function NoteEditor({ run }) {
  const [saved, setSaved] = useState(/** @type {{note: string, tags: string[], pinned: boolean} | null} */ (null));
  const [editing, setEditing] = useState(false);
  const note = saved?.note ?? run.note ?? '';
  const tags = saved?.tags ?? run.tags ?? [];
  const pinned = saved?.pinned ?? run.pinned ?? false;
  /** @param {SubmitEvent} event */
  const save = async (event) => {
    event.preventDefault();
    const form = new FormData(/** @type {HTMLFormElement} */ (event.target));
    const next = {
      pinned: form.has('pinned'),
      note: String(form.get('note') ?? ''),
      tags: String(form.get('tags') ?? '')
        .split(/[,\s]+/)
        .filter(Boolean),
    };
    try {
      await patch(`runs/${encodeURIComponent(run.run)}`, next);
      setSaved(next);
      setEditing(false);
    } catch (error) {
      toast('bad', /** @type {any} */ (error).message, /** @type {any} */ (error).hint);
    }
  };
  if (editing) {
    return html`<form class="note-form" onSubmit=${save} data-testid="note-form">
      <label>${t('note')}<textarea name="note" rows="2" maxlength="4000" defaultValue=${note}></textarea></label>
      <label>${t('tags')}<input name="tags" defaultValue=${tags.join(', ')} placeholder=${t('tags_hint')} /></label>
      <label class="inline"><input type="checkbox" name="pinned" defaultChecked=${pinned} /> ${t('pinned_hint')}</label>
      <div class="row"><button class="primary" type="submit">${t('save')}</button><button type="button"
          onClick=${() => setEditing(false)}>${t('cancel')}</button></div></form>`;
  }
  return html`<p class="note-line" data-testid="note">${pinned && html`<${Icon} name="lock" size=${13}
      label=${t('pinned_hint')} />`}${tags.map((tag) => html`<span class="tag">${tag}</span>`)}${note && html`<span>${note}</span>`}
    ${may('operate') && html`<button type="button" class="link muted" onClick=${() => setEditing(true)} data-testid="edit-note"><${Icon} name="edit"
        size=${13} />${note || tags.length ? t('edit') : t('add_note')}</button>`}</p>`;
}

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
  return html`<div class=${`cell ${kind}`} data-testid=${`status-${id}`}><span class="label">${label}</span><b>${value}</b><small>${sub || '\u00a0'}</small>
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

/** The value of a threshold in the unit of its bound. @param {import('../types').Threshold} threshold @returns {string} */
export function thresholdValue({ text, value }) {
  if (value === null || value === undefined) return NONE;
  if (/%\s*$/.test(text)) return percent(value);
  if (/\d\s*(ns|us|µs|ms|s|m)\s*$/.test(text) && !/\/s\s*$/.test(text)) return time(value);
  return /\brate\b/.test(text) ? rate(value) : short(value);
}

/** At the end, what was never measured has not passed. @param {import('../types').Run} run @param {import('../types').Threshold} threshold */
const failing = (run, { state }) => state === 'broken' || (state === 'no-data' && run.state === 'finished');

/** @param {{run: import('../types').Run}} props @returns {import('../types').View} */
export function Thresholds({ run }) {
  const all = thresholdsOf(run);
  if (!all.length) return null;
  const icon = /** @type {const} */ ({ ok: 'check', broken: 'fault', 'no-data': 'info' });
  const word = { ok: t('threshold_ok'), broken: t('threshold_broken'), 'no-data': t('threshold_no_data') };
  return html`<ul class="thresholds" aria-label=${t('thresholds')} data-testid="thresholds">${all.map(
    (threshold) => html`
    <li key=${threshold.text} class=${failing(run, threshold) ? 'broken' : threshold.state} data-state=${threshold.state}><${Icon} name=${icon[threshold.state] ?? 'info'} label=${word[threshold.state]} />
      <code>${threshold.text}</code><b>${threshold.state === 'no-data' ? word['no-data'] : thresholdValue(threshold)}</b>
      ${threshold.state === 'no-data' && run.state === 'finished' && html`<small>${t('no_data_fails')}</small>`}
      ${threshold.broken_since_seconds != null && html`<small>${t('broken_since', { at: clock(threshold.broken_since_seconds) })}</small>`}
      ${threshold.abort_after_seconds != null && html`<small>${t('aborts_after', { at: clock(threshold.abort_after_seconds) })}</small>`}</li>`,
  )}</ul>`;
}
