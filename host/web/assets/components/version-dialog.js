// Puts another version of the scenario into a run that goes on.
import { html, useEffect, useState } from '../ui.js';
import { toast } from '../store.js';
import { get, post, upload } from '../api.js';
import { t } from '../i18n.js';
import { date, shortDigest } from '../format.js';
import { Dialog } from './dialog.js';
import { Icon } from '../icons.js';
import { Faults } from './faults.js';

/** @param {{run: import('../types').Run, onClose: () => void}} props @returns {import('../types').View} */
export function VersionDialog({ run, onClose }) {
  const [all, setAll] = useState(/** @type {import('../types').Scenario[]} */ ([]));
  const [picked, setPicked] = useState('');
  const [error, setError] = useState(/** @type {any} */ (null));
  const load = async () => {
    const answer = await get('scenarios');
    const found = answer.scenarios ?? answer;
    setAll(found.filter((/** @type {any} */ one) => one.digest !== run.module && one.name === run.scenario && !one.faults?.length));
  };
  useEffect(() => void load().catch(setError), []);
  /** @param {any} event */
  const give = async (event) => {
    const [file] = event.target.files;
    if (!file) return;
    setError(null);
    try {
      const made = await upload('scenarios', file, 'application/wasm', () => {});
      await load();
      setPicked(made.digest);
    } catch (failed) {
      setError(failed);
    }
  };
  const put = async () => {
    try {
      await post(`runs/${encodeURIComponent(run.run)}/scenario`, { scenario: picked });
      toast('good', t('version_put'));
      onClose();
    } catch (failed) {
      setError(failed);
    }
  };
  return html`<${Dialog} title=${t('new_version')} onClose=${onClose} testid="version-dialog"><p>${t('version_hint')}</p>
    <div class="choices" role="radiogroup" aria-label=${t('versions')}>${all.map((one) => html`<label class="choice"><input type="radio" name="version" checked=${picked === one.digest} onChange=${() => setPicked(one.digest)} />
      <b>${one.version ?? ''}</b> <code>${shortDigest(one.digest)}</code> <span class="muted">${date(one.uploaded_at)}</span></label>`)}
      ${!all.length && html`<p class="none">${t('no_other_version')}</p>`}</div>
    <label class="button"><${Icon} name="upload" />${t('choose_file')}<input type="file" accept=".wasm,application/wasm" class="sr-only" onChange=${give} data-testid="version-file" /></label>
    ${error && html`<${Faults} error=${error} />`}
    <footer><button type="button" onClick=${onClose}>${t('cancel')}</button><button type="button" class="primary" disabled=${!picked} onClick=${put} data-testid="version-do">${t('put_version')}</button></footer><//>`;
}
