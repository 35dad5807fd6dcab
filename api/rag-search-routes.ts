import type { Express, RequestHandler } from 'express';
import { route } from './route.ts';
import { embeddings } from './routes/embeddings.ts';
import { embeddingsBatch } from './routes/embeddings-batch.ts';
import { embeddingsSimilarity, type SimilarityDeps } from './routes/embeddings-similarity.ts';
import { listModels } from './routes/models.ts';
import type { JobRouteDeps } from './routes/orchestrate.ts';
import { type RagHealthDeps, ragHealth } from './routes/rag-health.ts';
import { type RagQueryDeps, ragQuery } from './routes/rag-query.ts';
import { type RagSearchDeps, ragSearch } from './routes/rag-search.ts';
import { type RagVerifyDeps, ragVerify } from './routes/rag-verify.ts';

export interface RagSearchRouteDeps
  extends RagSearchDeps,
    RagQueryDeps,
    RagVerifyDeps,
    RagHealthDeps,
    SimilarityDeps,
    JobRouteDeps {
  runs: JobRouteDeps['runs'];
  registry: RagQueryDeps['registry'];
  aliases: RagQueryDeps['aliases'];
  admission: RagQueryDeps['admission'];
  bus: RagQueryDeps['bus'];
  keyGate: RagQueryDeps['keyGate'];
  keyRing: RagQueryDeps['keyRing'];
  startedSeconds: number;
}

/** The routes that ask collections of documents, and those of embeddings. */
export function addRagSearchRoutes(app: Express, deps: RagSearchRouteDeps, body: RequestHandler[]): void {
  route(app, '/api/v1/rag/health', { get: [ragHealth(deps)] });
  route(app, '/api/v1/rag/search', { post: [...body, ragSearch(deps)] });
  route(app, '/api/v1/rag/query', { post: [...body, ragQuery(deps)] });
  route(app, '/api/v1/rag/collections/:name/verify', { post: [ragVerify(deps)] });
  route(app, '/api/v1/embeddings', { post: [...body, embeddings(deps)] });
  route(app, '/api/v1/embeddings/batch', { post: [...body, embeddingsBatch(deps)] });
  route(app, '/api/v1/embeddings/similarity', { post: [...body, embeddingsSimilarity(deps)] });
  route(app, '/api/v1/embeddings/models', { get: [listModels(deps, 'embedding')] });
}
