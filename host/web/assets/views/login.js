// Name and password.
import '../more.js';
import { html, useState } from '../ui.js';
import { begin, loginNeeded, session } from '../store.js';
import { post } from '../api.js';
import { t } from '../i18n.js';
import { Logo } from '../icons.js';

/** @returns {import('../types').View} */
export function View() {
  const [error, setError] = useState(/** @type {any} */ (null));
  const [busy, setBusy] = useState(false);
  /** @param {SubmitEvent} event */
  const submit = async (event) => {
    event.preventDefault();
    const form = new FormData(/** @type {HTMLFormElement} */ (event.target));
    setBusy(true);
    try {
      const answer = await post('session', { user: String(form.get('user')), password: String(form.get('password')) });
      session.value = answer;
      loginNeeded.value = false;
      await begin();
    } catch (failed) {
      setError(failed);
    } finally {
      setBusy(false);
    }
  };
  return html`<form class="card login" onSubmit=${submit} data-testid="login"><${Logo} /><h1>${t('log_in')}</h1>
    ${session.value?.user && html`<p class="muted" role="status" data-testid="session-over">${t('session_over')}</p>`}
    <label class="field"><span>${t('user_name')}</span><input name="user" autocomplete="username" required autofocus autocapitalize="none" spellcheck="false" /></label>
    <label class="field"><span>${t('password')}</span><input name="password" type="password" autocomplete="current-password" required /></label>
    ${error && html`<p class="fault" role="alert" data-testid="login-fault">${error.message} ${error.hint}</p>`}
    <button type="submit" class="primary" disabled=${busy}>${t('log_in')}</button></form>`;
}
