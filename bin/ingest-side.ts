import { createHash } from 'node:crypto';
import { toIngestView } from '../api/rag-view.ts';
import type { Config } from '../core/config.ts';
import { AppError } from '../core/errors.ts';
import type { Lifecycle } from '../core/lifecycle.ts';
import type { Logger } from '../core/logger.ts';
import type { Metrics } from '../core/metrics.ts';
import { parseRequest } from '../core/parse-request.ts';
import { BatchIngest } from '../core/schemas/rag.ts';
import type { SqlPool } from '../core/sql-pool.ts';
import type { ReplyBus } from '../jobs/reply-bus.ts';
import { createPageFetch } from '../outbound/page-fetch.ts';
import type { BlobStore } from '../rag/blob-store.ts';
import type { DocumentStore } from '../rag/document.ts';
import { createEmbeddingBatcher } from '../rag/embedding-batcher.ts';
import { createIndexBuilds, type IndexBuilds } from '../rag/index-builds.ts';
import { createIngestMetrics } from '../rag/ingest-metrics.ts';
import { createIngestNews, type IngestNews, withNews } from '../rag/ingest-news.ts';
import { createIngestRunner, type IngestRunner } from '../rag/ingest-runner.ts';
import { createIngestService, type IngestService } from '../rag/ingest-service.ts';
import { takeTurn } from '../rag/ingest-turn.ts';
import type { IngestWork } from '../rag/ingest-work.ts';
import { toOfferedText } from '../rag/offered-text.ts';
import type { PageFetch } from '../rag/page-fetch.ts';
import { createParsePool } from '../rag/parsing/parse-pool.ts';
import { createRagChores, type RagChores } from '../rag/rag-chores.ts';
import { createRagSweep } from '../rag/rag-sweep.ts';
import type { VectorStore } from '../rag/vector-store.ts';
import { createPostgresDocumentStore } from '../storage/postgres-document-store.ts';
import { createPostgresEmbedCache } from '../storage/postgres-embed-cache.ts';
import { createPostgresIngestStore } from '../storage/postgres-ingest-store.ts';
import { createPostgresIngestWork } from '../storage/postgres-ingest-work.ts';
import { createPostgresSweepStore } from '../storage/postgres-sweep-store.ts';
import type { Intake } from '../workflows/steps/ingest-step.ts';
import { openBlobs } from './blobs.ts';
import { openVectors, type RagSearch } from './rag-search-side.ts';
import type { Store } from './stores.ts';

interface IngestSideDeps {
  config: Config;
  store: Store;
  bus: ReplyBus;
  rag: RagSearch;
  life: Lifecycle;
  logger: Logger;
  metrics: Metrics;
}

/** What takes documents in: every process that has the store does. */
export interface IngestSide {
  ingests: IngestService;
  ingestNews: IngestNews;
  documents: DocumentStore;
  blobs: BlobStore;
  pages: PageFetch;
  /** For runs. */
  intake: Intake;
  /** Brings on indexes that are to be built; never throws. */
  kickBuilds(): void;
  builds: Pick<IndexBuilds, 'switchWithoutFailed'>;
  /** Claims nothing more, and gives back what has not ended after `graceMs`. */
  stop(graceMs: number): Promise<void>;
}

const BUILDS_EVERY_MS = 5_000;
const SWEEP_EVERY_MS = 5_000;
const KEPT_DAYS = 7;
const ALL_ITEMS = { afterOrdinal: -1, limit: 10_000 };

export async function openIngestSide(deps: IngestSideDeps): Promise<IngestSide> {
  const { config, store, rag, life, logger } = deps;
  // What callers wait for goes first.
  const background = store.inBackground();
  const work = createPostgresIngestWork(background);
  const vectors = store.kind === 'pglite' ? await openVectors(config, background) : rag.vectors;
  const blobs = await openBlobs(config, store);
  const news = createIngestNews({ bus: deps.bus, onRing: () => runner.nudge() });
  life.defer('news of ingests', news.stop);
  const runner = openRunner(deps, { background, work, vectors, blobs, news });
  const nudge = () => {
    runner.nudge();
    news.ring();
  };
  const rows = createPostgresIngestStore(store);
  const ingests = createIngestService({ store: rows, blobs, nudge, tell: news.tell });
  const builds = createIndexBuilds({ collections: rag.collections, vectors, nudge, logger });
  const sweep = createRagSweep({
    store: createPostgresSweepStore(background),
    vectors,
    blobs,
    keptDays: KEPT_DAYS,
    forget: { jobDays: config.retention.ingestsDays, vectorDays: config.retention.vectorsDays },
  });
  const chores: RagChores = createRagChores(
    [
      { run: builds.bringOn, everyMs: BUILDS_EVERY_MS },
      { run: sweep, everyMs: SWEEP_EVERY_MS },
    ],
    logger,
  );
  const stop = async (graceMs: number) => {
    await chores.stop();
    await runner.stop(graceMs);
  };
  life.defer('ingest', () => stop(0));
  // Its directory is locked: who held leases is gone.
  if (store.kind === 'pglite') await work.lapseAll();
  runner.start();
  chores.start();
  return {
    ingests,
    ingestNews: news,
    documents: createPostgresDocumentStore(store),
    blobs,
    pages: createPageFetch({ networks: config.networks.outbound }),
    intake: openIntake(rag, ingests),
    kickBuilds: () => void chores.tick(),
    builds,
    stop,
  };
}

interface RunnerParts {
  background: SqlPool;
  work: IngestWork;
  vectors: VectorStore;
  blobs: BlobStore;
  news: IngestNews;
}

function openRunner(
  { config, bus, rag, life, logger, metrics }: IngestSideDeps,
  { background, work, vectors, blobs, news }: RunnerParts,
): IngestRunner {
  const { embedTexts, embedTokens, embedCalls, ingestGroups } = config.rag;
  const cache = createPostgresEmbedCache(background);
  const batcher = createEmbeddingBatcher({
    embedder: rag.embedder,
    cache,
    textsMax: embedTexts,
    tokensMax: embedTokens,
    callsMax: embedCalls,
  });
  life.defer('embedding', () => batcher.stop());
  const reader = createParsePool();
  life.defer('parsing', () => reader.close());
  const deps = {
    ...{ work, cache, vectors, blobs, batcher, reader, logger },
    metrics: createIngestMetrics(metrics),
  };
  return createIngestRunner({
    work,
    worker: bus.inbox,
    takeTurn(claims, signal) {
      const collectionIds = new Set(claims.map(({ collectionId }) => collectionId));
      const told = withNews(work, () => news.tell(collectionIds));
      return takeTurn({ ...deps, work: told }, claims, signal);
    },
    turnsMax: ingestGroups,
    logger,
  });
}

/** Documents that a step of a run brings, under the step's own key: who tries again finds the same job. */
function openIntake({ collections, callers }: RagSearch, ingests: IngestService): Intake {
  return {
    async begin(fields, { keyName, weight, idempotencyKey }) {
      const { collection: name, documents } = parseRequest(BatchIngest, fields);
      const collection = await collections.byName(name);
      const { seesAll } = callers({ keyName, weight });
      if (!collection || (!seesAll && collection.owner !== (keyName ?? ''))) {
        throw new AppError('not_found', `There is no collection \`${name}\`.`, { param: 'collection' });
      }
      const bodyHash = createHash('sha256').update(JSON.stringify(fields)).digest('hex');
      const { id } = await ingests.accept({
        collectionId: collection.id,
        owner: keyName ?? '',
        weight,
        webhook: null,
        idempotency: { key: `ingest ${idempotencyKey}`, bodyHash },
        documents: documents.map(toOfferedText),
      });
      return id;
    },
    async result(id) {
      const job = await ingests.job(id);
      if (!job) throw new AppError('not_found', 'The ingest of this step is gone.');
      if (!job.endedAt) return null;
      const { items, file_counts } = toIngestView(job, await ingests.items(id, ALL_ITEMS));
      return { file_counts, items };
    },
  };
}
