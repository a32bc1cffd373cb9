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
      ) => html`<li class=${`card ${master.name === all.leader ? 'leads' : ''}`}><i class=${`dot ${master.name === all.leader ? 'good' : master.draining ? 'warn' : ''}`}></i><b>${master.name}</b>
      <span class=${master.draining ? 'warn-word' : 'muted'}>${master.name === all.leader ? t('leads', { term: all.term }) : t(master.draining ? 'out_of_service' : 'stands_by')}${master.name === all.master ? ` · ${t('answers_you')}` : ''}</span></li>`,
    )}</ul>
    <div class="card panel"><${WorkersTable} workers=${workers} manage /></div></div>`;
}

/** Masters by name; those that are named as leading or answering are there whether or not they are heard of. @param {import('../types').Fleet} all @returns {{name: string, draining: boolean}[]} */
function mastersOf(all) {
  const heard = Array.isArray(all.masters) ? all.masters : [];
  const names = new Set([...heard.map((master) => master.id), all.leader ?? '', all.master].filter(Boolean));
  const draining = new Set(heard.filter((master) => master.draining).map((master) => master.id));
  return [...names].sort().map((name) => ({ name, draining: draining.has(name) }));
}
