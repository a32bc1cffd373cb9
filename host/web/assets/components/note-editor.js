// Note and tags of a run, which may be changed at any time.
import { html, useState } from '../ui.js';
import { may, toast } from '../store.js';
import { patch } from '../api.js';
import { t } from '../i18n.js';
import { Icon } from '../icons.js';

/** @param {{run: import('../types').Run}} props @returns {import('../types').View} */
export function NoteEditor({ run }) {
  const [saved, setSaved] = useState(/** @type {{note: string, tags: string[]} | null} */ (null));
  const [editing, setEditing] = useState(false);
  const note = saved?.note ?? run.note ?? '';
  const tags = saved?.tags ?? run.tags ?? [];
  /** @param {SubmitEvent} event */
  const save = async (event) => {
    event.preventDefault();
    const form = new FormData(/** @type {HTMLFormElement} */ (event.target));
    const next = { note: String(form.get('note') ?? ''), tags: String(form.get('tags') ?? '').split(/[,\s]+/).filter(Boolean) };
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
      <label>${t('note')}<textarea name="note" rows="2" maxlength="4000">${note}</textarea></label>
      <label>${t('tags')}<input name="tags" value=${tags.join(', ')} placeholder=${t('tags_hint')} /></label>
      <div class="row"><button class="primary" type="submit">${t('save')}</button><button type="button" onClick=${() => setEditing(false)}>${t('cancel')}</button></div></form>`;
  }
  return html`<p class="note-line" data-testid="note">${tags.map((tag) => html`<span class="tag">${tag}</span>`)}${note && html`<span>${note}</span>`}
    ${may('operate') && html`<button type="button" class="link muted" onClick=${() => setEditing(true)} data-testid="edit-note"><${Icon} name="edit" size=${13} />${note || tags.length ? t('edit') : t('add_note')}</button>`}</p>`;
}
