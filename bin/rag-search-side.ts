import { randomBytes } from 'node:crypto';
import type { KeyHolders } from '../access/key-holders.ts';
import type { Config } from '../core/config.ts';
import { newJobId } from '../core/ids.ts';
import { parseRequest } from '../core/parse-request.ts';
import type { SqlPool } from '../core/sql-pool.ts';
import { createModelEmbedder } from '../jobs/model-embedder.ts';
import type { CollectionStore } from '../rag/collection.ts';
import type { Embedder } from '../rag/embedder.ts';
import { createEmbeddingBatcher } from '../rag/embedding-batcher.ts';
import { createIndexVerifier, type IndexVerifier } from '../rag/index-verifier.ts';
import { QueryRequest } from '../rag/query-request.ts';
import { createQueryService, finishAnswer, type QueryService } from '../rag/query-service.ts';
import type { RagCaller } from '../rag/require-collection.ts';
import { SearchRequest } from '../rag/search-request.ts';
import { createSearchService, type SearchService } from '../rag/search-service.ts';
import { toSearchView } from '../rag/search-view.ts';
import type { VectorStore } from '../rag/vector-store.ts';
import { createPgvectorStore } from '../storage/pgvector-store.ts';
import { createPostgresCollectionStore } from '../storage/postgres-collection-store.ts';
import { createPostgresEmbedCache } from '../storage/postgres-embed-cache.ts';
import { createPostgresIndexRows } from '../storage/postgres-index-rows.ts';
import { createPostgresIngestWork } from '../storage/postgres-ingest-work.ts';
import { createPostgresSweepStore } from '../storage/postgres-sweep-store.ts';
import { createPostgresVisibleChunks } from '../storage/postgres-visible-chunks.ts';
import { createQdrantStore } from '../storage/qdrant-store.ts';
import type { ModelCalls } from '../workflows/model-calls.ts';
import type { Answering } from '../workflows/steps/model-step.ts';
import type { Retrieval } from '../workflows/steps/retrieve-step.ts';
import type { DatabaseWait } from './store-wait.ts';
import type { Store } from './stores.ts';

interface RagSearchDeps {
  config: Config;
  store: Store;
  models: ModelCalls;
  holders: Pick<KeyHolders, 'holderOf'>;
  waitFor: DatabaseWait;
}

/** What asks collections of documents, for clients and for runs. */
export interface RagSearch {
  vectors: VectorStore;
  collections: CollectionStore;
  embedder: Embedder;
  search: SearchService;
  query: QueryService;
  verifier: IndexVerifier;
  answering: Answering;
  retrieval: Retrieval;
  callers: Callers;
}

const REPAIR = { textsMax: 64, tokensMax: 8_192, callsMax: 1 } as const;
const FENCE_BYTES = 9;

export async function openRagSearch(deps: RagSearchDeps): Promise<RagSearch> {
  const { config, store, models, holders, waitFor } = deps;
  const vectors = await waitFor(() => openVectors(config, store));
  const collections = createPostgresCollectionStore(store);
  const embedder = createModelEmbedder(models);
  const chunks = createPostgresVisibleChunks(store);
  const search = createSearchService({ collections, chunks, store: vectors, embedder });
  const query = createQueryService({ search, newFence: () => randomBytes(FENCE_BYTES).toString('hex') });
  const batcher = createEmbeddingBatcher({ embedder, cache: createPostgresEmbedCache(store), ...REPAIR });
  const verifier = createIndexVerifier({
    collections,
    rows: createPostgresIndexRows(store),
    store: vectors,
    work: createPostgresIngestWork(store),
    batcher,
    leftovers: createPostgresSweepStore(store),
  });
  const callers = callersOf(holders);
  return {
    ...{ vectors, collections, embedder, search, query, verifier, callers },
    answering: openAnswering(query, callers),
    retrieval: {
      async retrieve(fields, asked, signal) {
        const request = parseRequest(SearchRequest, fields);
        return toSearchView(await search.search(request, callers(asked), signal));
      },
    },
  };
}

/** The index on `store`, or in Qdrant. */
export async function openVectors(
  { qdrantUrl: url, qdrantApiKey: apiKey }: Config,
  store: SqlPool,
): Promise<VectorStore> {
  return url === undefined ? await createPgvectorStore(store) : createQdrantStore({ url, apiKey });
}

/** Whom a run asks for. */
type Callers = (
  asked: Pick<RagCaller, 'keyName' | 'weight'> & { seesAll?: boolean | undefined },
) => RagCaller;

/** Who a run asks for: its key. Of those that are admins it knows the configuration's. */
function callersOf(holders: Pick<KeyHolders, 'holderOf'>): Callers {
  return ({ keyName, weight, seesAll = false }) => ({
    keyName,
    weight,
    seesAll: seesAll || keyName === null || holders.holderOf(keyName).role === 'admin',
  });
}

function openAnswering(query: QueryService, callers: Callers): Answering {
  return {
    async prepare({ body, seesAll }, { keyName, weight }, signal) {
      const request = parseRequest(QueryRequest, JSON.parse(body));
      const prepared = await query.prepare(request, callers({ keyName, weight, seesAll }), signal);
      return {
        chatBody: prepared.chatBody,
        finish: (answer) =>
          finishAnswer(answer, prepared, {
            id: `chatcmpl-${newJobId()}`,
            model: request.model,
            createdSeconds: Math.floor(Date.now() / 1_000),
          }),
      };
    },
  };
}
