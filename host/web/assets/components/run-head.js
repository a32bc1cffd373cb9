// The heading of a run: what it is, and what can be done with it.
import { html, useEffect, useState } from '../ui.js';
import { go, may, session, toast } from '../store.js';
import { post, remove, url } from '../api.js';
import { t } from '../i18n.js';
import { dateTime, shortDigest } from '../format.js';
import { useKeys } from '../keys.js';
import { Icon } from '../icons.js';
import { Confirm } from './dialog.js';
import { ChangeDialog } from './change-dialog.js';
import { VersionDialog } from './version-dialog.js';
import { NoteEditor } from './note-editor.js';
import { CompareDialog } from './compare-dialog.js';

/** @param {{run: import('../types').Run, live: boolean, source: import('../types').Source}} props @returns {import('../types').View} */
export function RunHead({ run, live }) {
  const [open, setOpen] = useState('');
  const over = run.state === 'finished';
  const changes = live && !over && may('operate');
  useEffect(() => {
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
      ${changes && html`
        <button type="button" onClick=${() => setOpen('change')} data-testid="change"><${Icon} name="tune" />${t('change_load')}</button>
        ${!session.value?.single_run && html`<button type="button" onClick=${() => setOpen('version')} data-testid="new-version"><${Icon} name="upload" /><span class="wide-only">${t('new_version')}</span></button>`}
        <button type="button" onClick=${() => setOpen('reset')} data-testid="reset" title=${t('reset_hint')}><${Icon} name="reset" /><span class="wide-only">${t('reset')}</span></button>
        <button type="button" class="danger" onClick=${() => setOpen('stop')} data-testid="stop"><${Icon} name="stop" />${t('stop')}</button>`}
      ${over && html`
        <${Downloads} path=${path} />
        <button type="button" onClick=${() => setOpen('compare')} data-testid="compare"><${Icon} name="compare" />${t('compare')}</button>
        ${may('operate') && !session.value?.single_run && html`<a class="button primary" href=${`#/new?scenario=${run.module}&from=${run.run}`} data-testid="again"><${Icon} name="play" />${t('run_again')}</a>`}
        ${may('operate') && html`<button type="button" class="ghost" onClick=${() => setOpen('delete')} aria-label=${t('delete')} title=${t('delete')} data-testid="delete"><${Icon} name="trash" /></button>`}`}
    </div>
    <${NoteEditor} key=${run.run} run=${run} />
    ${open === 'change' && html`<${ChangeDialog} run=${run} onClose=${close} />`}
    ${open === 'version' && html`<${VersionDialog} run=${run} onClose=${close} />`}
    ${open === 'compare' && html`<${CompareDialog} run=${run.run} onClose=${close} />`}
    ${open === 'reset' && html`<${Confirm} title=${t('reset')} text=${t('reset_question')} action=${t('reset')} onClose=${close} onDo=${() => act(`${path}/reset`, {}, t('reset_done'))} />`}
    ${open === 'delete' && html`<${Confirm} title=${t('delete')} text=${t('delete_question')} action=${t('delete')} danger onClose=${close} onDo=${() => drop(path)} />`}
    ${open === 'stop' && html`<${StopDialog} path=${path} onClose=${close} />`}
  </header>`;
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
  const files = [['report.html', t('html_report')], ['results.json', 'JSON'], ['junit.xml', 'JUnit XML'], ['stats.csv', t('csv_stats')], ['stats_history.csv', t('csv_history')], ['failures.csv', t('csv_failures')], ['exceptions.csv', t('csv_exceptions')]];
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
