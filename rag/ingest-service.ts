import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { AppError } from '../core/errors.ts';
import { failPoint } from '../core/fail-point.ts';
import { newIngestId } from '../core/ids.ts';
import type { Json } from '../core/json-value.ts';
import type { BlobStore } from './blob-store.ts';
import type { IngestStore, IngestWebhook, SentDocument } from './ingest-job.ts';

/** A document as a caller sends it: its text, or a blob that is written already. */
export interface OfferedDocument {
  /** Null: after its bytes, so that the same ones are one document. */
  externalId: string | null;
  title: string | null;
  source: string | null;
  fileName: string | null;
  mediaType: string | null;
  metadata: Json;
  content: { text: string } | { blobSha256: string };
}

interface IngestRequest {
  collectionId: string;
  owner: string;
  weight: number;
  webhook: IngestWebhook | null;
  idempotency: { key: string; bodyHash: string } | null;
  documents: readonly OfferedDocument[];
}

export interface IngestService extends Omit<IngestStore, 'accept'> {
  /** Resolves once all is durable. Throws AppError `not_found`, `idempotency_mismatch`, `store_unavailable`. */
  accept(request: IngestRequest): Promise<{ id: string; isReplayed: boolean }>;
}

interface IngestServiceOptions {
  store: IngestStore;
  blobs: BlobStore;
  /** There is work. */
  nudge(): void;
  /** Documents of a collection have ended. */
  tell(collectionIds: readonly string[]): void;
}

/** Part of each pipeline hash: another one takes documents in anew that were sent before. */
const PIPELINE = 1;
/** Smaller texts stay in their row, and are written with it. */
const BODY_BYTES_MAX = 262_144;

export function createIngestService({ store, blobs, nudge, tell }: IngestServiceOptions): IngestService {
  return {
    ...store,
    async accept({ documents, ...request }) {
      const sent = await Promise.all(documents.map((document) => toSent(blobs, document)));
      const id = newIngestId();
      const accepted = await store.accept({ ...request, id, ...splitSuperseded(sent) });
      if (!accepted.isReplayed) await requireBlobs(sent, id);
      failPoint('ingest.accepted');
      nudge();
      return accepted;
    },
    async cancel(id) {
      await store.cancel(id);
      const job = await store.job(id);
      if (job) tell([job.collectionId]);
    },
  };

  /** A sweep may have taken a blob away between its write and the rows that need it. */
  async function requireBlobs(sent: readonly SentDocument[], id: string): Promise<void> {
    for (const { body, blobSha256 } of sent) {
      if (body !== null) continue;
      const found = await blobs.read(blobSha256);
      found?.destroy();
      if (found) continue;
      await store.cancel(id);
      throw new AppError('store_unavailable', 'A file was lost while it was taken in. Send it again.', {
        retryAfterSeconds: 1,
      });
    }
  }
}

async function toSent(blobs: BlobStore, offered: OfferedDocument): Promise<SentDocument> {
  const { content, externalId, ...facts } = offered;
  const { title, fileName, mediaType, source, metadata } = facts;
  const about = JSON.stringify([PIPELINE, title, fileName, mediaType, source, metadata]);
  const pipelineHash = createHash('sha256').update(about).digest('hex');
  if ('blobSha256' in content) {
    const { blobSha256 } = content;
    return { ...facts, externalId: externalId ?? blobSha256, blobSha256, body: null, pipelineHash };
  }
  const body = Buffer.from(content.text, 'utf8');
  const blobSha256 = createHash('sha256').update(body).digest('hex');
  const isLarge = body.length > BODY_BYTES_MAX;
  if (isLarge) await blobs.write(Readable.from([body]), body.length);
  return {
    ...facts,
    externalId: externalId ?? blobSha256,
    blobSha256,
    body: isLarge ? null : body,
    pipelineHash,
  };
}

/** Of one external id the last counts. */
function splitSuperseded(sent: readonly SentDocument[]) {
  const last = new Map(sent.map(({ externalId }, ordinal) => [externalId, ordinal]));
  const numbered = sent.map((document, ordinal) => ({ ...document, ordinal }));
  return {
    documents: numbered.filter(({ externalId, ordinal }) => last.get(externalId) === ordinal),
    superseded: numbered.filter(({ externalId, ordinal }) => last.get(externalId) !== ordinal),
  };
}
