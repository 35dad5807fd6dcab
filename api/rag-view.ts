import type {
  BuildFailure,
  BuildProgress,
  Collection,
  CollectionCounts,
  IndexVersion,
} from '../rag/collection.ts';
import type { RagDocument } from '../rag/document.ts';
import type { IngestItem, IngestJob } from '../rag/ingest-job.ts';

export interface CollectionFacts {
  collection: Collection;
  counts: CollectionCounts;
  building: { version: IndexVersion; progress: BuildProgress } | null;
}

/** A collection as its routes answer it. */
export function toCollectionView({ collection, counts, building }: CollectionFacts) {
  return {
    id: collection.id,
    object: 'rag.collection',
    name: collection.name,
    embedding_model: collection.embeddingModel,
    chunk: collection.chunk,
    weights: collection.weights,
    shared: collection.isShared,
    metadata: collection.metadata,
    document_count: counts.documents,
    chunk_count: counts.chunks,
    /** An index that is built beside the one that is searched. */
    reindex: building && {
      embedding_model: building.version.embeddingModel,
      chunk: building.version.chunk,
      documents: toProgressView(building.progress),
      /** They keep it from being searched: see POST …/switch. */
      failures: building.progress.failures.map(toFailureView),
    },
    created_at: collection.createdAt.toISOString(),
  };
}

const toProgressView = ({ ready, failed, total }: BuildProgress) => ({ ready, failed, total });

const toFailureView = ({ documentId, externalId, reasonCode, error }: BuildFailure) => ({
  document_id: documentId,
  external_id: externalId,
  reason_code: reasonCode,
  error,
});

export function toDocumentView(document: RagDocument) {
  return {
    id: document.id,
    object: 'rag.document',
    external_id: document.externalId,
    title: document.title,
    source: document.source,
    media_type: document.mediaType,
    metadata: document.metadata,
    status: document.status,
    stage: document.stage,
    reason_code: document.reasonCode,
    error: document.error,
    waiting_on: document.waitingOn,
    searchable: document.isSearchable,
    chunk_count: document.chunks,
    created_at: document.createdAt.toISOString(),
    updated_at: document.updatedAt.toISOString(),
  };
}

export const ingestPath = (id: string) => `/api/v1/rag/ingest/jobs/${id}`;

export function toIngestView(job: IngestJob, items: readonly IngestItem[]) {
  const self = ingestPath(job.id);
  return {
    id: job.id,
    object: 'ingest.job',
    status: toJobStatus(job),
    items: items.map(toItemView),
    file_counts: toFileCounts(job),
    created_at: job.createdAt.toISOString(),
    ended_at: job.endedAt?.toISOString() ?? null,
    links: { self, events: `${self}/events`, cancel: `${self}/cancel` },
  };
}

/** What a webhook says of an ingest: the items are to be fetched. */
export function toIngestSummary(job: IngestJob) {
  const { items: _items, ...summary } = toIngestView(job, []);
  return summary;
}

export function toItemView(item: IngestItem) {
  return {
    document_id: item.documentId,
    external_id: item.externalId,
    status: item.status,
    stage: item.stage,
    reason_code: item.reasonCode,
    error: item.error,
    waiting_on: item.waitingOn,
    pages_done: item.pagesDone,
    pages_total: item.pagesTotal,
    chunks_total: item.chunksTotal,
    chunks_indexed: item.chunksIndexed,
  };
}

/** OpenAI's words for the files of a batch. */
export function toFileCounts({ counts }: IngestJob) {
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
  return { total, ...counts };
}

/** A job is completed when it has ended, unless nothing of it came to be searched. */
export function toJobStatus({
  counts,
  endedAt,
}: IngestJob): 'in_progress' | 'completed' | 'failed' | 'cancelled' {
  if (!endedAt) return 'in_progress';
  if (counts.completed + counts.unchanged > 0) return 'completed';
  return counts.failed > 0 ? 'failed' : 'cancelled';
}
