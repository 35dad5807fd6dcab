import type { Json } from '../core/json-value.ts';
import type { SearchAnswer, SearchHit } from './search-service.ts';

/** A search's answer as its route and the step `retrieve` give it. */
export function toSearchView({ mode, hits }: SearchAnswer): { [name: string]: Json } {
  return { mode, data: hits.map(toHitView) };
}

function toHitView(hit: SearchHit): Json {
  return {
    document_id: hit.documentId,
    external_id: hit.externalId,
    chunk_id: hit.chunkId,
    score: hit.score,
    title: hit.title,
    text: hit.text,
    heading_path: hit.headingPath,
    page: hit.page,
    char_start: hit.charStart,
    char_end: hit.charEnd,
    metadata: hit.metadata,
  };
}
