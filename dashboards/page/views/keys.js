import { call } from '../api.js';
import { count, time } from '../format.js';
import { html } from '../html.js';
import { Badge, Failure } from '../parts/marks.js';
import { usePoll } from '../poll.js';
import { useState } from '../vendor/preact-hooks.js';

/** API keys and what they may use. */
export function Keys() {
  const { data, error, reload } = usePoll(() => call('/api/v1/keys?limit=100'), 5_000, []);
  const [made, setMade] = useState(/** @type {any} */ (null));
  const [failure, setFailure] = useState(/** @type {Error | null} */ (null));

  /** @param {any} key */
  const revoke = (key) => () => {
    if (!confirm(`Revoke the key ${key.name}? Whatever uses it stops at once.`)) return;
    call(`/api/v1/keys/${key.id}`, { method: 'DELETE' }).then(reload, setFailure);
  };
  return html`
    <h1>Keys</h1>
    ${made && html`<p class="made" role="status">The key of ${made.name}, shown this once: <code id="made-key">${made.key}</code></p>`}
    <${Failure} error=${failure ?? error} />
    <div class="scroll"><table id="keys">
      <thead><tr><th>Name</th><th>Role</th><th>Key</th><th>Requests/min</th><th>Tokens/min</th><th>At once</th><th>Budget</th><th>Models</th><th>Last used</th><th></th></tr></thead>
      <tbody>
        ${data?.data.map(
          (/** @type {any} */ key) => html`<tr key=${key.id} data-key=${key.name}>
            <th>${key.name}</th>
            <td>${key.role}</td>
            <td><code>${key.prefix}…</code></td>
            <td>${count(key.requests_per_minute)}</td>
            <td>${count(key.tokens_per_minute)}</td>
            <td>${count(key.max_concurrency)}</td>
            <td>${key.token_budget ? `${count(key.token_budget.tokens)} / ${key.token_budget.per}` : '–'}</td>
            <td>${key.models?.join(', ') ?? 'all'}</td>
            <td>${time(key.last_used_at)}</td>
            <td>${key.revoked_at ? html`<${Badge} status="revoked" />` : html`<button type="button" class="plain" onClick=${revoke(key)}>Revoke</button>`}</td>
          </tr>`,
        )}
      </tbody>
    </table></div>
    ${data?.data.length === 0 && html`<p class="hint">The store has no key; keys of the configuration are not listed. Where there is none at all, the first one closes the door: from then on this page asks for an admin’s.</p>`}
    ${data?.has_more && html`<p class="hint">These are the newest hundred; <code>citadel keys list</code> shows all.</p>`}
    <h2>A new key</h2>
    <${NewKey} onMade=${(/** @type {any} */ key) => {
      setMade(key);
      reload();
    }} />
  `;
}

/** @param {{ onMade: (key: any) => void }} props */
function NewKey({ onMade }) {
  const [error, setError] = useState(/** @type {Error | null} */ (null));

  /** @param {SubmitEvent & { currentTarget: HTMLFormElement }} event */
  async function submit(event) {
    event.preventDefault();
    const form = event.currentTarget;
    try {
      onMade(await call('/api/v1/keys', { method: 'POST', body: toBody(new FormData(form)) }));
      form.reset();
      setError(null);
    } catch (failure) {
      setError(/** @type {Error} */ (failure));
    }
  }

  return html`<form class="filters" onSubmit=${submit}>
    <label>name <input name="name" required maxlength="128" /></label>
    <label>role <select name="role"><option>user</option><option>admin</option></select></label>
    <label>requests/min <input name="requests_per_minute" type="number" min="1" /></label>
    <label>tokens/min <input name="tokens_per_minute" type="number" min="1" /></label>
    <label>at once <input name="max_concurrency" type="number" min="1" /></label>
    <label>models <input name="models" placeholder="all; or: phi3, openchat" /></label>
    <button>Make</button>
    <${Failure} error=${error} />
  </form>`;
}

/** @param {FormData} fields */
function toBody(fields) {
  /** @type {Record<string, unknown>} */
  const body = { name: fields.get('name'), role: fields.get('role') };
  for (const name of ['requests_per_minute', 'tokens_per_minute', 'max_concurrency']) {
    if (fields.get(name)) body[name] = Number(fields.get(name));
  }
  const models = String(fields.get('models') ?? '')
    .split(',')
    .map((model) => model.trim())
    .filter(Boolean);
  return models.length > 0 ? { ...body, models } : body;
}
