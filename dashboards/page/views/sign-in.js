import { own } from '../api.js';
import { html } from '../html.js';
import { Failure } from '../parts/marks.js';
import { useState } from '../vendor/preact-hooks.js';

/** @import { FormEvent, Session } from '../answers.ts' */

/** @param {{ onSignedIn: (session: Session) => void }} props */
export function SignIn({ onSignedIn }) {
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const [isBusy, setIsBusy] = useState(false);

  /** @param {FormEvent} event */
  async function submit(event) {
    event.preventDefault();
    const form = event.currentTarget;
    setIsBusy(true);
    try {
      onSignedIn(await own('/session', { method: 'POST', body: { key: new FormData(form).get('key') } }));
    } catch (failure) {
      setError(/** @type {Error} */ (failure));
      setIsBusy(false);
    }
  }

  return html`<main class="sign-in">
    <h1>Citadel</h1>
    <form onSubmit=${submit}>
      <label>
        Admin key
        <input name="key" type="password" autocomplete="current-password" required autofocus />
      </label>
      <button disabled=${isBusy}>Sign in</button>
      <${Failure} error=${error} />
    </form>
    <p class="hint">Make one with <code>citadel keys create --name ops --role admin</code>.</p>
  </main>`;
}
