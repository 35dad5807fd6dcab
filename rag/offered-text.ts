import type { Json } from '../core/json-value.ts';
import type { BatchDocument } from '../core/schemas/rag.ts';
import type { OfferedDocument } from './ingest-service.ts';

/** A document that comes as text, in a request or from a run. */
export function toOfferedText({
  external_id: externalId,
  title,
  metadata,
  text,
}: BatchDocument): OfferedDocument {
  return {
    externalId: externalId ?? null,
    title: title ?? null,
    source: null,
    fileName: null,
    // Plain text reads as the same text, and what is written with headings keeps them.
    mediaType: 'text/markdown',
    metadata: (metadata ?? {}) as Json,
    content: { text },
  };
}
