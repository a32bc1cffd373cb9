// The fleet: masters and workers.
import '../more.js';
import { html } from '../ui.js';
import { fleet } from '../store.js';
import { t } from '../i18n.js';
import { count } from '../format.js';
import { WorkersTable } from '../components/workers-table.js';

/** @returns {import('../types').View} */
export function View() {
  const all = fleet.value;
  if (!all) return html`<p class="loading">${t('loading')}</p>`;
  const workers = Object.values(all.workers ?? {});
  const masters = mastersOf(all);
  const room = workers
    .filter((worker) => worker.liveness === 'alive' && !worker.draining)
    .reduce((sum, worker) => sum + worker.capacity, 0);
  return html`<div class="stack"><header class="run-head"><div><h1>${t('workers')}</h1>
      <p class="muted">${t('n_workers_room', { n: workers.filter((worker) => worker.liveness === 'alive').length, room: count(room) })}</p></div></header>
    <ul class="masters" aria-label=${t('masters')} data-testid="masters">${masters.map(
      (
        master,
      ) => html`<li class=${`card ${master.name === all.leader ? 'leads' : ''}`}><i class=${`dot ${master.name === all.leader ? 'good' : ''}`}></i><b>${master.name}</b>
      <span class="muted">${master.name === all.leader ? t('leads', { term: all.term }) : t('stands_by')}${master.name === all.master ? ` · ${t('answers_you')}` : ''}</span></li>`,
    )}</ul>
    <div class="card panel"><${WorkersTable} workers=${workers} manage /></div></div>`;
}

/** Masters by name, in whatever form they come. @param {import('../types').Fleet} all @returns {{name: string}[]} */
function mastersOf(all) {
  const given = Array.isArray(all.masters)
    ? all.masters.map((master) => (typeof master === 'string' ? master : (master.master ?? master.name ?? master.id)))
    : Object.keys(all.masters ?? {});
  const names = new Set([...given, all.leader, all.master].filter(Boolean));
  return [...names].sort().map((name) => ({ name: String(name) }));
}
