// Copies a text, and says so.
import { html, useState } from '../ui.js';
import { t } from '../i18n.js';
import { Icon } from '../icons.js';

/** @param {{text: string, label?: string}} props @returns {import('../types').View} */
export function Copy({ text, label }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    if (!(await put(text))) return;
    setDone(true);
    setTimeout(() => setDone(false), 1500);
  };
  return html`<button type="button" class="ghost small" onClick=${copy} aria-label=${label ? undefined : t('copy')} title=${t('copy')} data-testid="copy">
    <${Icon} name=${done ? 'check' : 'copy'} />${label && html`<span>${done ? t('copied') : label}</span>`}<span class="sr-only" role="status">${done ? t('copied') : ''}</span></button>`;
}

/** @param {string} text @returns {Promise<boolean>} */
async function put(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Without TLS beyond loopback there is no clipboard: the old way still works.
    const area = document.createElement('textarea');
    area.value = text;
    document.body.append(area);
    area.select();
    const copied = document.execCommand('copy');
    area.remove();
    return copied;
  }
}
