import type { RequestHandler } from 'express';
import type { IngestService } from '../../rag/ingest-service.ts';
import { type IngestEventsDeps, sendIngestEvents } from '../ingest-events.ts';
import { requireIngestJob } from '../rag-access.ts';
import { toIngestView } from '../rag-view.ts';
import { sendJson } from '../replies/json-reply.ts';

export interface IngestJobRouteDeps extends IngestEventsDeps {
  ingests: IngestService;
}

const ITEMS_MAX = 10_000;

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
