import { call } from '../api.js';
import { html } from '../html.js';
import { useState } from '../vendor/preact-hooks.js';
import { Failure } from './marks.js';

/** @import { FormEvent, SearchAnswer } from '../answers.ts' */
/** @typedef {SearchAnswer & { query: string }} Found */

/** @param {{ collection: string }} props */
export function Search({ collection }) {
  const [answer, setAnswer] = useState(/** @type {Found | null} */ (null));
  const [error, setError] = useState(/** @type {Error | null} */ (null));

  /** @param {FormEvent} event */
  async function submit(event) {
    event.preventDefault();
    const fields = new FormData(event.currentTarget);
    const query = String(fields.get('query'));
    try {
      const body = { collection, query, mode: fields.get('mode'), top_k: 10 };
      const found = /** @type {SearchAnswer} */ (await call('/api/v1/rag/search', { method: 'POST', body }));
      setAnswer({ ...found, query });
      setError(null);
    } catch (failure) {
      setError(/** @type {Error} */ (failure));
    }
  }

  return html`
    <form class="filters" onSubmit=${submit} role="search">
      <label class="wide">Query <input name="query" required /></label>
      <label>mode
        <select name="mode">${['auto', 'lexical', 'dense', 'hybrid'].map((mode) => html`<option key=${mode}>${mode}</option>`)}</select>
      </label>
      <button>Search</button>
    </form>
    <${Failure} error=${error} />
    ${
      answer &&
      html`<ol class="hits" id="hits">
      ${answer.data.map(
        (hit) => html`<li key=${hit.chunk_id}>
          <strong>${hit.title ?? hit.external_id}</strong>
          <span class="score" title=${answer.mode}>${hit.score.toFixed(4)}</span>
          <small>${hit.heading_path.join(' › ')}${hit.page ? ` · page ${hit.page}` : ''}</small>
          <p class="hit-text" tabindex="0">${highlight(hit.text, answer.query)}</p>
        </li>`,
      )}
      ${answer.data.length === 0 && html`<li>Nothing was found.</li>`}
    </ol>`
    }
  `;
}

/** The text with the words of the query marked; a word's endings count too. @param {string} text @param {string} query */
function highlight(text, query) {
  const stems = (query.toLowerCase().match(/[\p{L}\p{N}]{2,}/gu) ?? []).map((word) =>
    word.length > 5 ? word.slice(0, -2) : word,
  );
  if (stems.length === 0) return text;
  // Words alone, which hold no signs of patterns.
  const words = new RegExp(`(?<![\\p{L}\\p{N}])((?:${stems.join('|')})[\\p{L}\\p{N}]*)`, 'giu');
  return text
    .split(words)
    .map((part, index) => (index % 2 === 1 ? html`<mark key=${index}>${part}</mark>` : part));
}
