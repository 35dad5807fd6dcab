import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { AppError } from '../../core/errors.ts';
import { newCollectionId } from '../../core/ids.ts';
import { createLogger } from '../../core/logger.ts';
import { NO_METRICS } from '../../core/metrics.ts';
import type { SqlPool } from '../../core/sql-pool.ts';
import type { BlobStore } from '../../rag/blob-store.ts';
import { createChunker } from '../../rag/chunking/chunker.ts';
import type { Collection, NewCollection } from '../../rag/collection.ts';
import type { DocumentReader } from '../../rag/document-reader.ts';
import { DocumentRefused } from '../../rag/document-refused.ts';
import type { EmbedRequest } from '../../rag/embedder.ts';
import { createEmbeddingBatcher } from '../../rag/embedding-batcher.ts';
import { createIndexBuilds } from '../../rag/index-builds.ts';
import { createIngestMetrics } from '../../rag/ingest-metrics.ts';
import { createIngestService, type OfferedDocument } from '../../rag/ingest-service.ts';
import { takeTurn } from '../../rag/ingest-turn.ts';
import { plainBlocks } from '../../rag/parsing/plain-blocks.ts';
import { createRagSweep } from '../../rag/rag-sweep.ts';
import type { VectorStore } from '../../rag/vector-store.ts';
import { createPgvectorStore } from '../../storage/pgvector-store.ts';
import { createPostgresCollectionStore } from '../../storage/postgres-collection-store.ts';
import { createPostgresDocumentStore } from '../../storage/postgres-document-store.ts';
import { createPostgresEmbedCache } from '../../storage/postgres-embed-cache.ts';
import { createPostgresIngestStore } from '../../storage/postgres-ingest-store.ts';
import { createPostgresIngestWork } from '../../storage/postgres-ingest-work.ts';
import { createPostgresSweepStore } from '../../storage/postgres-sweep-store.ts';

const PAGE_END = '\f';

export const PARAGRAPH =
  'The quick brown fox jumps over the lazy dog while seven wizards watch from afar and take notes of it all.';

/** All of ingest on `pool`, without timers: a test takes the turns. */
export async function ingestBundle(pool: SqlPool) {
  const work = createPostgresIngestWork(pool);
  const cache = createPostgresEmbedCache(pool);
  const activated: string[] = [];
  const vectors: VectorStore = {
    ...(await createPgvectorStore(pool)),
    async activate({ id }, collectionId) {
      activated.push(`${collectionId}: ${id}`);
    },
  };
  const collections = createPostgresCollectionStore(pool);
  const blobs = memoryBlobs();
  const embedder = scriptedEmbedder();
  const batcher = createEmbeddingBatcher({ embedder, cache, textsMax: 64, tokensMax: 8_000, callsMax: 2 });
  const logger = createLogger({ level: 'silent' });
  const service = createIngestService({
    store: createPostgresIngestStore(pool),
    blobs,
    nudge() {},
    tell() {},
  });
  const metrics = createIngestMetrics(NO_METRICS);
  const reads = { isPatient: false };
  const deps = { work, cache, vectors, blobs, batcher, reader: plainReader(reads), logger, metrics };
  const never = new AbortController().signal;
  const builds = createIndexBuilds({ collections, vectors, nudge() {}, logger });

  async function turn(max = 64): Promise<number> {
    const claims = await work.claim('worker', max);
    if (claims.length > 0) await takeTurn(deps, claims, never);
    return claims.length;
  }

  return {
    pool,
    work,
    deps,
    cache,
    vectors,
    /** `collection: index version`, as the index was told. */
    activated,
    collections,
    blobs,
    embedder,
    reads,
    service,
    documents: createPostgresDocumentStore(pool),
    sweep: createRagSweep({
      store: createPostgresSweepStore(pool),
      vectors,
      blobs,
      keptDays: 7,
      forget: { jobDays: 30, vectorDays: 30 },
    }),
    build: builds.bringOn,
    builds,
    turn,
    /** Takes turns until nobody's turn is left. */
    async drain() {
      while ((await turn()) > 0);
    },
    async collection(changes: Partial<NewCollection> = {}): Promise<Collection> {
      const id = newCollectionId();
      return await collections.insert({ ...COLLECTION, id, name: id, ...changes });
    },
    async ingest(
      collection: Collection,
      documents: readonly (Partial<OfferedDocument> & { text: string })[],
    ) {
      const offered = documents.map(({ text, ...changes }) => ({
        ...OFFERED,
        content: { text },
        ...changes,
      }));
      const { id } = await service.accept({ ...REQUEST, collectionId: collection.id, documents: offered });
      return id;
    },
    items: (id: string) => service.items(id, { afterOrdinal: -1, limit: 10_000 }),
    /** What is searched: `external id: text`, in order; from the rows, and whether the index has just these points. */
    async visible(collection: Collection) {
      const { rows } = await pool.query<{ line: string; point_id: string; version_id: string }>(VISIBLE, [
        collection.id,
      ]);
      const [first] = rows;
      const index = { id: first?.version_id ?? collection.activeVersion, dimensions: null };
      const indexed = await vectors.ids(index, null, 10_000);
      return {
        lines: rows.map(({ line }) => line),
        isIndexed: same(
          indexed,
          rows.map(({ point_id: id }) => id),
        ),
      };
    },
  };
}

const COLLECTION: Omit<NewCollection, 'id' | 'name'> = {
  owner: '',
  isShared: false,
  embeddingModel: null,
  chunk: { tokens: 40, overlap: 0 },
  weights: { lexical: 1, dense: 1 },
  metadata: {},
};

const OFFERED: Omit<OfferedDocument, 'content'> = {
  externalId: null,
  title: null,
  source: null,
  fileName: null,
  mediaType: null,
  metadata: {},
};

const REQUEST = { owner: '', weight: 1, webhook: null, idempotency: null };

const VISIBLE = `
  SELECT document.external_id || ': ' || chunk.text AS line, chunk.point_id, chunk.version_id
  FROM citadel.collection
  JOIN citadel.document ON document.collection_id = collection.id
  JOIN citadel.chunk ON chunk.document_id = document.id AND chunk.generation = document.active_generation
    AND chunk.version_id = collection.active_version
  WHERE collection.id = $1 ORDER BY document.external_id, chunk.ordinal`;

const same = (a: readonly string[], b: readonly string[]) =>
  JSON.stringify([...a].sort()) === JSON.stringify([...b].sort());

/** Reads plain text; form feeds end pages. A text with the word TOO_WIDE it cuts into small chunks only when it is patient. */
const plainReader = (reads: { isPatient: boolean }): DocumentReader => ({
  async *read({ bytes, chunk, position }) {
    const text = Buffer.concat(await readAll(bytes)).toString('utf8');
    if (text.includes('TOO_WIDE') && chunk.tokens < COLLECTION.chunk.tokens && !reads.isPatient)
      throw new DocumentRefused('timed_out', 'Too wide.');
    const pages = text.split(PAGE_END);
    const chunker = createChunker(chunk, position?.chunks ?? 0);
    const facts = { format: 'txt', title: null, pagesTotal: pages.length };
    let start = 0;
    let count = position?.chunks ?? 0;
    for (const [index, page] of pages.entries()) {
      if (index >= (position?.pagesDone ?? 0)) {
        const blocks = plainBlocks(page);
        const chunks = [
          ...chunker.chunksOf({ page: pages.length > 1 ? index + 1 : null, start, text: page, blocks }),
        ];
        count += chunks.length;
        const charEnd = chunks.at(-1)?.charEnd ?? 0;
        yield { facts, chunks, position: { pagesDone: index + 1, chunks: count, charEnd } };
      }
      start += page.length + PAGE_END.length;
    }
  },
});

async function readAll(bytes: Readable): Promise<Uint8Array[]> {
  const parts: Uint8Array[] = [];
  for await (const part of bytes) parts.push(part);
  return parts;
}

function memoryBlobs(): BlobStore & { kept: Map<string, Buffer> } {
  const kept = new Map<string, Buffer>();
  return {
    kept,
    async write(stream) {
      const bytes = Buffer.concat(await readAll(stream));
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      kept.set(sha256, bytes);
      return { sha256, bytes: bytes.length };
    },
    async read(sha256) {
      const bytes = kept.get(sha256);
      return bytes ? Readable.from([bytes]) : null;
    },
    async remove(sha256) {
      kept.delete(sha256);
    },
    olderThan: async () => [...kept.keys()],
  };
}

const DIMENSIONS = 8;

/** Vectors that follow from their text. `fails`: what the next calls throw; a text with the word POISON is rejected. */
function scriptedEmbedder() {
  const paid: string[] = [];
  const fails: AppError[] = [];
  return {
    paid,
    fails,
    calls: 0,
    async embed({ texts }: EmbedRequest) {
      this.calls++;
      const failure = fails.shift();
      if (failure) throw failure;
      if (texts.some((text) => text.includes('POISON')))
        throw new AppError('invalid_request', 'too poisonous');
      paid.push(...texts);
      return texts.map((text) => {
        const hash = createHash('sha256').update(text).digest();
        return Float32Array.from({ length: DIMENSIONS }, (_, index) => (hash[index] ?? 0) + 1);
      });
    },
  };
}
