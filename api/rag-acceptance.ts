import type { Response } from 'express';
import type { KeyGate } from '../access/key-gate.ts';
import type { KeyRing } from '../access/key-ring.ts';
import type { WebhookRequest } from '../core/schemas/webhook.ts';
import type { Collection, CollectionStore } from '../rag/collection.ts';
import type { IngestService, OfferedDocument } from '../rag/ingest-service.ts';
import { toWebhook } from './accepted-options.ts';
import { type Idempotency, markReplayed } from './idempotency.ts';
import { requireOwnCollection } from './rag-access.ts';
import { ingestPath, toIngestView } from './rag-view.ts';
import { sendJson } from './replies/json-reply.ts';
import { contextOf } from './request-context.ts';
import { requireStaying } from './require-staying.ts';

export interface AcceptDocumentsDeps {
  collections: Pick<CollectionStore, 'byName'>;
  ingests: IngestService;
  keyGate: Pick<KeyGate, 'accept'>;
  keyRing: Pick<KeyRing, 'isRevoked'>;
  isLeaving(): boolean;
  hasWebhookSecret: boolean;
}

interface DocumentsToAccept {
  res: Response;
  collection: string;
  idempotency: Idempotency | null;
  webhook: WebhookRequest | undefined;
  /** Made once it is sure that they are wanted. */
  documents(): Promise<readonly OfferedDocument[]> | readonly OfferedDocument[];
}

const ITEMS_MAX = 10_000;
const TOKEN_CHARS = 4;

/** Takes documents in and answers 202, within the key's limits; what an earlier request has started uses up nothing. */
export async function acceptDocuments(deps: AcceptDocumentsDeps, wanted: DocumentsToAccept): Promise<void> {
  const { res, idempotency } = wanted;
  const { principal } = contextOf(res);
  requireStaying(deps, principal);
  const collection = await requireOwnCollection(deps.collections, wanted.collection, res);
  const owner = principal.keyName ?? '';
  const known = idempotency && (await deps.ingests.known(owner, idempotency));
  if (known) return await answer(deps, { res, id: known, isReplayed: true });

  const webhook = toWebhook(wanted.webhook, deps);
  const documents = await wanted.documents();
  const estimate = () => ({ prompt: costOf(collection, documents), completion: 0 });
  const pass = await deps.keyGate.accept(principal, {
    models: collection.embeddingModel === null ? [] : [[collection.embeddingModel]],
    estimate,
    setHeader: (name, value) => res.setHeader(name, value),
  });
  try {
    const accepted = await deps.ingests.accept({
      collectionId: collection.id,
      owner,
      weight: principal.weight,
      webhook: webhook
        ? {
            url: webhook.url,
            events: webhook.events ?? null,
            secret: webhook.secret ?? null,
          }
        : null,
      idempotency,
      documents,
    });
    if (accepted.isReplayed) pass?.cancel();
    else pass?.settle(estimate().prompt);
    await answer(deps, { res, ...accepted });
  } catch (error) {
    pass?.cancel();
    throw error;
  }
}

async function answer(
  { ingests }: AcceptDocumentsDeps,
  { res, id, isReplayed }: { res: Response; id: string; isReplayed: boolean },
): Promise<void> {
  const [job, items] = await Promise.all([
    ingests.job(id),
    ingests.items(id, { afterOrdinal: -1, limit: ITEMS_MAX }),
  ]);
  markReplayed(res, isReplayed);
  res.setHeader('location', ingestPath(id));
  sendJson(res, 202, JSON.stringify(job ? toIngestView(job, items) : { id, object: 'ingest.job' }));
}

/** Tokens that its texts will be charged; of files it is not known before they are read. */
function costOf({ embeddingModel }: Collection, documents: readonly OfferedDocument[]): number {
  if (embeddingModel === null) return 0;
  const chars = documents.reduce(
    (sum, { content }) => sum + ('text' in content ? content.text.length : 0),
    0,
  );
  return Math.ceil(chars / TOKEN_CHARS);
}
