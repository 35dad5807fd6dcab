import type { Json } from '../core/json-value.ts';

export type Stage = 'parse' | 'chunk' | 'embed' | 'index' | 'publish';

export type ItemStatus = 'in_progress' | 'completed' | 'failed' | 'cancelled' | 'unchanged';

/** What a document waits for that is not its turn. */
export type WaitingOn = 'embedder_down' | 'rate_limited' | 'index_down' | 'storage_full';

export interface IngestWebhook {
  url: string;
  events: readonly string[] | null;
  secret: string | null;
}

/** One request to take documents in. */
export interface IngestJob {
  id: string;
  collectionId: string;
  owner: string;
  /** Of the newest event. */
  lastSeq: number;
  createdAt: Date;
  endedAt: Date | null;
  counts: Record<ItemStatus, number>;
}

export interface IngestItem {
  ordinal: number;
  documentId: string;
  externalId: string;
  status: ItemStatus;
  stage: Stage | null;
  reasonCode: string | null;
  error: string | null;
  waitingOn: string | null;
  pagesDone: number;
  pagesTotal: number | null;
  chunksTotal: number;
  chunksIndexed: number;
  /** Its end's number among the job's events; null while it has not ended. */
  seq: number | null;
  endedAt: Date | null;
}

/** A document as it is sent. Its bytes are `body`, or a blob of that hash. */
export interface SentDocument {
  externalId: string;
  title: string | null;
  source: string | null;
  fileName: string | null;
  mediaType: string | null;
  metadata: Json;
  blobSha256: string;
  body: Uint8Array | null;
  /** Of what its chunks follow from beside the bytes and the index's settings, and of what it says of itself. */
  pipelineHash: string;
}

export interface NewIngest {
  id: string;
  collectionId: string;
  owner: string;
  weight: number;
  webhook: IngestWebhook | null;
  idempotency: { key: string; bodyHash: string } | null;
  /** Each external id once; `superseded` are the earlier ones of it, with their places. */
  documents: readonly (SentDocument & { ordinal: number })[];
  superseded: readonly { externalId: string; ordinal: number }[];
}

interface IngestQuery {
  limit: number;
  /** Those that came before this one. */
  after: string | null;
  /** Only this owner's; null: all. */
  owner: string | null;
  collectionId: string | null;
}

export interface IngestStore {
  /** In one transaction, with everything to come out of it. Throws AppError `not_found`, `idempotency_mismatch`. */
  accept(ingest: NewIngest): Promise<{ id: string; isReplayed: boolean }>;
  /** What an `Idempotency-Key` has started in the last 24 h. */
  known(owner: string, idempotency: { key: string; bodyHash: string }): Promise<string | null>;
  job(id: string): Promise<IngestJob | null>;
  /** The newest first; one more than `limit` where there are more. */
  list(query: IngestQuery): Promise<IngestJob[]>;
  items(id: string, page: { afterOrdinal: number; limit: number }): Promise<IngestItem[]>;
  /** Items that have ended after `seq`, in the order of their ends. */
  ended(id: string, afterSeq: number, limit: number): Promise<IngestItem[]>;
  /** What has not ended of it, ends; versions before stay. */
  cancel(id: string): Promise<void>;
}
