// Says when the server is not there, or nobody leads, and what becomes of it.
import { html, useEffect, useState } from '../ui.js';
import { connection, doc, fleet, retryNow } from '../store.js';
import { t } from '../i18n.js';
import { Icon } from '../icons.js';

/** @returns {import('../types').View} */
export function ConnectionNote() {
  const state = connection.value;
  const [now, setNow] = useState(Date.now());
  const retrying = state.state === 'retrying';
  useEffect(() => {
    if (!retrying) return undefined;
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, [retrying]);
  if (retrying) {
    const seconds = Math.max(0, Math.ceil(((state.retryAt ?? now) - now) / 1000));
    return html`<div class="banner bad" role="alert" data-testid="disconnected"><${Icon} name="warn" />
      <p><b>${state.reason ?? t('unreachable')}</b> ${state.hint ?? ''} ${doc.value ? t('data_kept') : ''}
        <span class="muted">${seconds > 0 ? t('retry_in', { n: seconds }) : t('retrying')}</span></p>
      <button type="button" onClick=${retryNow}>${t('retry_now')}</button></div>`;
  }
  const trouble = fleet.value?.trouble;
  if (state.state === 'live' && (trouble || (fleet.value && !fleet.value.leader))) {
    return html`<div class="banner warn" role="status" data-testid="no-leader"><${Icon} name="warn" />
      <p><b>${t('no_leader')}</b> ${trouble ?? ''} <span class="muted">${t('no_leader_hint')}</span></p></div>`;
  }
  return null;
}
