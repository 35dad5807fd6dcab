import type { Json } from '../core/json-value.ts';
import type { Stage } from './ingest-job.ts';

/** A document as its newest published content says. */
export interface RagDocument {
  id: string;
  externalId: string;
  title: string | null;
  source: string | null;
  mediaType: string | null;
  metadata: Json;
  /** `completed`: searchable as sent last; `in_progress` and `failed` are of a newer content than the one that is searched. */
  status: 'in_progress' | 'completed' | 'failed' | 'cancelled';
  stage: Stage | null;
  reasonCode: string | null;
  error: string | null;
  waitingOn: string | null;
  /** Whether some content of it is searched. */
  isSearchable: boolean;
  chunks: number;
  createdAt: Date;
  updatedAt: Date;
}

export interface DocumentStore {
  get(collectionId: string, id: string): Promise<RagDocument | null>;
  /** In the order of their ids; `limit` and one more where there are more. */
  list(collectionId: string, page: { limit: number; after: string | null }): Promise<RagDocument[]>;
  /** Gone at commit, from searches too; what is on its way is cancelled. False where there is none. */
  remove(collectionId: string, id: string): Promise<boolean>;
}
