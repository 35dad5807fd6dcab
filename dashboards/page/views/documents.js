import { call } from '../api.js';
import { count, time } from '../format.js';
import { html } from '../html.js';
import { Badge, Failure } from '../parts/marks.js';
import { ModelOptions, useModels } from '../parts/models.js';
import { usePoll } from '../poll.js';
import { useState } from '../vendor/preact-hooks.js';

/** @import { Collection, FormEvent, ListPage, RagHealth } from '../answers.ts' */

const COLUMNS = ['Collection', 'Documents', 'Chunks', 'Embedding model', 'Index', 'Made'];

/** Collections of documents. */
export function Documents() {
  const { data, error, reload } = usePoll(readCollections, 5_000, []);
  const index = usePoll(readHealth, 5_000, []);
  return html`
    <h1>Documents ${index.data && html`<${Badge} status=${index.data.status} />`}</h1>
    ${index.data?.note && html`<p class="hint">${index.data.note}</p>`}
    <${Failure} error=${error ?? index.error} />
    <div class="scroll" tabindex="0" role="region" aria-label="Collections"><table id="collections">
      <thead><tr>${COLUMNS.map((column) => html`<th scope="col">${column}</th>`)}</tr></thead>
      <tbody>
        ${data?.data.map(
          (one) => html`<tr key=${one.id} data-collection=${one.name}>
            <th scope="row"><a href=${`#/documents/${encodeURIComponent(one.name)}`}>${one.name}</a></th>
            <td>${count(one.document_count)}</td>
            <td>${count(one.chunk_count)}</td>
            <td>${one.embedding_model ?? 'words only'}</td>
            <td>${one.reindex ? building(one.reindex.documents) : '–'}</td>
            <td>${time(one.created_at)}</td>
          </tr>`,
        )}
      </tbody>
    </table></div>
    ${data?.data.length === 0 && html`<p class="hint">There is no collection yet.</p>`}
    ${data?.has_more && html`<p class="hint">These are the first hundred.</p>`}
    <h2>A new collection</h2>
    <${NewCollection} onMade=${reload} />
  `;
}

/** @returns {Promise<ListPage<Collection>>} */
const readCollections = () => call('/api/v1/rag/collections?limit=100');

/** @returns {Promise<RagHealth>} */
const readHealth = () => call('/api/v1/rag/health');

/** @param {{ ready: number, failed: number, total: number }} documents */
function building({ ready, failed, total }) {
  return `building: ${count(ready)} / ${count(total)}${failed > 0 ? `, ${count(failed)} failed` : ''}`;
}

/** @param {{ onMade: () => void }} props */
function NewCollection({ onMade }) {
  const { models } = useModels({ only: 'embedding' });
  const [error, setError] = useState(/** @type {Error | null} */ (null));

  /** @param {FormEvent} event */
  async function submit(event) {
    event.preventDefault();
    const form = event.currentTarget;
    const fields = new FormData(form);
    const body = { name: fields.get('name'), embedding_model: fields.get('model') || null };
    try {
      await call('/api/v1/rag/collections', { method: 'POST', body });
      form.reset();
      setError(null);
      onMade();
    } catch (failure) {
      setError(/** @type {Error} */ (failure));
    }
  }

  return html`<form class="filters" onSubmit=${submit}>
    <label>name <input name="name" required maxlength="128" /></label>
    <label>embedding model
      <select name="model">
        <option value="">none: words only</option>
        <${ModelOptions} models=${models} />
      </select>
    </label>
    <button>Make</button>
    <${Failure} error=${error} />
  </form>`;
}
