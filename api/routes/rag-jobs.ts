import type { RequestHandler } from 'express';
import { z } from 'zod';
import { parseRequest } from '../../core/parse-request.ts';
import type { CollectionStore } from '../../rag/collection.ts';
import type { IngestService } from '../../rag/ingest-service.ts';
import { requireCollection } from '../../rag/require-collection.ts';
import { type IngestEventsDeps, sendIngestEvents } from '../ingest-events.ts';
import { parsePage, toListPage } from '../list-page.ts';
import { requireIngestJob } from '../rag-access.ts';
import { ragCallerOf } from '../rag-caller.ts';
import { toIngestSummary, toIngestView } from '../rag-view.ts';
import { sendJson } from '../replies/json-reply.ts';

export interface IngestJobRouteDeps extends IngestEventsDeps {
  ingests: IngestService;
  collections: Pick<CollectionStore, 'byName'>;
}

const ITEMS_MAX = 10_000;

export const IngestQuery = z.object({ collection: z.string().min(1).max(256).optional() });

/** GET /api/v1/rag/ingest/jobs: the newest first, without their items. */
export function listIngestJobs({ ingests, collections }: IngestJobRouteDeps): RequestHandler {
  return async (req, res) => {
    const { limit, after } = parsePage(req.query);
    const { collection: name } = parseRequest(IngestQuery, req.query);
    const caller = ragCallerOf(res);
    const collection = name === undefined ? null : await requireCollection(collections, name, caller);
    const found = await ingests.list({
      ...{ limit, after, collectionId: collection?.id ?? null },
      owner: caller.seesAll ? null : (caller.keyName ?? ''),
    });
    sendJson(res, 200, JSON.stringify(toListPage(found.map(toIngestSummary), limit)));
  };
}

/** GET /api/v1/rag/ingest/jobs/{id} */
export function getIngestJob({ ingests }: IngestJobRouteDeps): RequestHandler {
  return async (req, res) => {
    const { id } = await requireIngestJob(ingests, { req, res });
    await sendJob(ingests, id, res);
  };
}

/** GET /api/v1/rag/ingest/jobs/{id}/events */
export function ingestJobEvents(deps: IngestJobRouteDeps): RequestHandler {
  return async (req, res) => {
    const job = await requireIngestJob(deps.ingests, { req, res });
    await sendIngestEvents(deps, { req, res, job });
  };
}

/** POST /api/v1/rag/ingest/jobs/{id}/cancel: what has not ended of it, ends; versions before stay. */
export function cancelIngestJob({ ingests }: IngestJobRouteDeps): RequestHandler {
  return async (req, res) => {
    const { id } = await requireIngestJob(ingests, { req, res });
    await ingests.cancel(id);
    await sendJob(ingests, id, res);
  };
}

async function sendJob(
  ingests: IngestService,
  id: string,
  res: Parameters<RequestHandler>[1],
): Promise<void> {
  const [job, items] = await Promise.all([
    ingests.job(id),
    ingests.items(id, { afterOrdinal: -1, limit: ITEMS_MAX }),
  ]);
  sendJson(res, 200, JSON.stringify(job && toIngestView(job, items)));
}
