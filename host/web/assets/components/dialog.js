// A modal dialog: the browser's own, which keeps the focus inside and closes with Escape.
import { html, useEffect, useRef } from '../ui.js';
import { t } from '../i18n.js';
import { Icon } from '../icons.js';

/**
 * @param {{title: string, onClose: () => void, children?: any, testid?: string, wide?: boolean}} props
 * @returns {import('../types').View}
 */
export function Dialog({ title, onClose, children, testid, wide }) {
  const ref = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useEffect(() => {
    const dialog = ref.current;
    if (dialog && !dialog.open) dialog.showModal();
  }, []);
  return html`<dialog ref=${ref} class=${wide ? 'wide' : ''} aria-label=${title} data-testid=${testid} onClose=${onClose}
      onClick=${(/** @type {MouseEvent} */ event) => event.target === ref.current && onClose()}>
    <div class="dialog-box">
      <header><h2>${title}</h2><button type="button" class="ghost" aria-label=${t('close')} onClick=${onClose}><${Icon} name="close" /></button></header>
      ${children}
    </div></dialog>`;
}

/**
 * Asks before something that cannot be undone.
 * @param {{title: string, text: string, action: string, danger?: boolean, onDo: () => Promise<unknown> | void, onClose: () => void}} props
 * @returns {import('../types').View}
 */
export function Confirm({ title, text, action, danger, onDo, onClose }) {
  const act = async () => {
    await onDo();
    onClose();
  };
  return html`<${Dialog} title=${title} onClose=${onClose} testid="confirm"><p>${text}</p>
    <footer><button type="button" onClick=${onClose}>${t('cancel')}</button>
      <button type="button" class=${danger ? 'danger' : 'primary'} onClick=${act} data-testid="confirm-do">${action}</button></footer><//>`;
}
