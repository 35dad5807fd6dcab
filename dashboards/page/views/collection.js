import { call } from '../api.js';
import { count, time } from '../format.js';
import { html } from '../html.js';
import { Ingest } from '../parts/ingest.js';
import { Badge, Failure } from '../parts/marks.js';
import { usePages } from '../parts/pages.js';
import { Search } from '../parts/search.js';
import { VirtualList } from '../parts/virtual-list.js';
import { usePoll } from '../poll.js';

/** @import { Collection as CollectionAnswer, RagDocument } from '../answers.ts' */

/** One collection: its documents, what comes into it, and a search. @param {{ id: string }} props */
export function Collection({ id }) {
  const path = `/api/v1/rag/collections/${encodeURIComponent(id)}`;
  const { data } = usePoll(/** @returns {Promise<CollectionAnswer>} */ () => call(path), 2_000, [id]);
  const { items, hasMore, error, more, reload } = usePages(`${path}/documents`, {});
  return html`
    <p><a href="#/documents">← Documents</a></p>
    <h1>${id}</h1>
    ${data && html`<p class="hint" id="counts">${count(data.document_count)} documents, ${count(data.chunk_count)} chunks, ${data.embedding_model ?? 'words only'}</p>`}
    <h2>Search</h2>
    <${Search} collection=${id} />
    <h2>Take in</h2>
    <${Ingest} collection=${id} onDone=${reload} />
    <h2>Documents</h2>
    <${Failure} error=${error} />
    <${VirtualList} items=${items} hasMore=${hasMore} onNearEnd=${more} label="Documents" head=${HEAD} row=${toRow} />
  `;
}

const HEAD = html`<div class="list-row is-document list-head" role="row">
  ${['Document', 'Status', 'Stage', 'Reason', 'Chunks', 'Changed'].map((name) => html`<span role="columnheader">${name}</span>`)}
</div>`;

/** @param {RagDocument} one @param {number} index */
const toRow = (
  one,
  index,
) => html`<div class="list-row is-document" role="row" key=${one.id} aria-rowindex=${index}>
  <span role="cell" class="model" title=${one.external_id}>${one.title ?? one.external_id}</span>
  <span role="cell"><${Badge} status=${one.status} /></span>
  <span role="cell">${one.stage ?? '–'}</span>
  <span role="cell" class="about" title=${one.error ?? ''}>${one.reason_code ?? one.waiting_on ?? '–'}</span>
  <span role="cell">${count(one.chunk_count)}</span>
  <span role="cell">${time(one.updated_at)}</span>
</div>`;
