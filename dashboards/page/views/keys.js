import { call } from '../api.js';
import { count, time } from '../format.js';
import { html } from '../html.js';
import { KeyForm } from '../parts/key-form.js';
import { Badge, Failure } from '../parts/marks.js';
import { usePoll } from '../poll.js';
import { useState } from '../vendor/preact-hooks.js';

/** @import { ApiKey, IssuedApiKey, ListPage } from '../answers.ts' */

const COLUMNS = [
  ...['Name', 'Role', 'Key', 'Requests/min', 'Tokens/min', 'At once', 'Budget', 'Models', 'Weight', 'Ends'],
  ...['Last used', ''],
];

/** API keys and what they may use. */
export function Keys() {
  const { data, error, reload } = usePoll(readKeys, 5_000, []);
  const [made, setMade] = useState(/** @type {IssuedApiKey | null} */ (null));
  const [changing, setChanging] = useState(/** @type {ApiKey | null} */ (null));
  const [failure, setFailure] = useState(/** @type {Error | null} */ (null));

  /** @param {ApiKey} key */
  const revoke = (key) => {
    if (!confirm(`Revoke the key ${key.name}? Whatever uses it stops at once.`)) return;
    call(`/api/v1/keys/${key.id}`, { method: 'DELETE' }).then(reload, setFailure);
  };
  const onMade = (/** @type {IssuedApiKey} */ key) => {
    setMade(key);
    reload();
  };
  const onChanged = () => {
    setChanging(null);
    reload();
  };
  return html`
    <h1>Keys and limits</h1>
    ${made && html`<p class="made" role="status">The key of ${made.name}, shown this once: <code id="made-key">${made.key}</code></p>`}
    <${Failure} error=${failure ?? error} />
    <div class="scroll" tabindex="0" role="region" aria-label="Keys"><table id="keys">
      <thead><tr>${COLUMNS.map((column) => html`<th scope="col">${column}</th>`)}</tr></thead>
      <tbody>
        ${data?.data.map((key) => html`<${Row} key=${key.id} one=${key} onChange=${setChanging} onRevoke=${revoke} />`)}
      </tbody>
    </table></div>
    ${data?.data.length === 0 && html`<p class="hint">The store has no key; keys of the configuration are not listed. Where there is none at all, the first one closes the door: from then on this page asks for an admin’s.</p>`}
    ${data?.has_more && html`<p class="hint">These are the newest hundred; <code>citadel keys list</code> shows all.</p>`}
    ${
      changing &&
      html`<section id="change" aria-label=${`Change ${changing.name}`}>
        <h2>Change ${changing.name}</h2>
        <${KeyForm} key=${changing.id} known=${changing} onDone=${onChanged} onLeave=${() => setChanging(null)} />
      </section>`
    }
    <section id="new-key" aria-label="A new key">
      <h2>A new key</h2>
      <${KeyForm} known=${null} onDone=${onMade} />
    </section>
  `;
}

/** @returns {Promise<ListPage<ApiKey>>} */
const readKeys = () => call('/api/v1/keys?limit=100');

/** @param {{ one: ApiKey, onChange: (key: ApiKey) => void, onRevoke: (key: ApiKey) => void }} props */
function Row({ one, onChange, onRevoke }) {
  const { token_budget: budget } = one;
  return html`<tr data-key=${one.name}>
    <th scope="row">${one.name}</th>
    <td>${one.role}</td>
    <td><code>${one.prefix}…</code></td>
    <td>${count(one.requests_per_minute)}</td>
    <td>${count(one.tokens_per_minute)}</td>
    <td>${count(one.max_concurrency)}</td>
    <td>${budget ? `${count(budget.tokens)} / ${budget.per}` : '–'}</td>
    <td>${one.models?.join(', ') ?? 'all'}</td>
    <td>${count(one.weight)}</td>
    <td>${time(one.expires_at)}</td>
    <td>${time(one.last_used_at)}</td>
    <td class="does">
      ${
        one.revoked_at
          ? html`<${Badge} status="revoked" />`
          : html`<button type="button" class="plain" onClick=${() => onChange(one)}>Change</button>
            <button type="button" class="plain" onClick=${() => onRevoke(one)}>Revoke</button>`
      }
    </td>
  </tr>`;
}
