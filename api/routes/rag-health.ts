import type { RequestHandler } from 'express';
import { withinLimit } from '../../core/time-limit.ts';
import type { VectorStore } from '../../rag/vector-store.ts';
import { sendJson } from '../replies/json-reply.ts';

export interface RagHealthDeps {
  vectors: Pick<VectorStore, 'kind' | 'hasVectors' | 'ping'>;
}

const PING_LIMIT_MS = 2_000;
const WORDS_ONLY =
  'This Postgres has no pgvector (0.8 or newer): collections are searched by words alone. Install it, or set QDRANT_URL.';

/** GET /api/v1/rag/health: 503 while the index is away. */
export function ragHealth({ vectors }: RagHealthDeps): RequestHandler {
  return async (_req, res) => {
    const { kind, hasVectors } = vectors;
    const isUp = await withinLimit(vectors.ping(), PING_LIMIT_MS, 'no answer').then(
      () => true,
      () => false,
    );
    const status = isUp ? (hasVectors ? 'healthy' : 'degraded') : 'unhealthy';
    const index = { kind, status: isUp ? 'healthy' : 'unhealthy', vectors: hasVectors };
    const note = hasVectors ? null : WORDS_ONLY;
    sendJson(res, isUp ? 200 : 503, JSON.stringify({ status, index, note }));
  };
}
