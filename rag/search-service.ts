// S1: what is shown stands in the rows, as they are when the answer is made: the index only says where to look.
// S2: lists are fused by the ranks of what may be shown, so that what is gone pushes nothing down; where the store fuses
//     (Qdrant), what is gone leaves a gap and changes no order of what else stands in the same lists.
import { AppError, ERRORS, toAppError } from '../core/errors.ts';
import type { Collection, CollectionStore } from './collection.ts';
import type { Embedder } from './embedder.ts';
import { fuseRanks, RANK_CONSTANT } from './fusion.ts';
import { parseFilter } from './metadata-filter.ts';
import { type RagCaller, requireCollection } from './require-collection.ts';
import type { SearchRequest } from './search-request.ts';
import { textTerms } from './text-terms.ts';
import type { Hit, VectorStore } from './vector-store.ts';
import type { MetadataCondition, VisibleChunk, VisibleChunks } from './visible-chunks.ts';

/** So many documents that a filter lets through are named to the index; of more, its hits are looked at afterwards. */
const FILTER_DOCUMENTS_MAX = 10_000;
const TOP_K = 10;
/** Of a question; a model that is loaded takes milliseconds. */
const EMBED_LIMIT_MS = 15_000;
/** How much is asked for in the second round, where the first came short. */
const REFILL_FACTOR = 8;
const FETCH_MAX = 1_000;

type SearchMode = 'lexical' | 'dense' | 'hybrid';

export interface SearchHit extends VisibleChunk {
  score: number;
}

export interface SearchAnswer {
  /** As it was done, where `auto` was asked for. */
  mode: SearchMode;
  hits: SearchHit[];
}

export interface SearchService {
  /** Throws AppError `not_found`, `invalid_request`, `store_unavailable`, and what the embedder throws where `dense` or
   *  `hybrid` was asked for; `auto` then looks for words alone. */
  search(request: SearchRequest, caller: RagCaller, signal: AbortSignal): Promise<SearchAnswer>;
}

interface SearchServiceDeps {
  collections: Pick<CollectionStore, 'byName'>;
  chunks: VisibleChunks;
  store: Pick<VectorStore, 'search' | 'hasVectors'>;
  embedder: Embedder;
}

export function createSearchService(deps: SearchServiceDeps): SearchService {
  return {
    async search(request, caller, signal) {
      const conditions = parseFilter(request.filter);
      const collection = await requireCollection(deps.collections, request.collection, caller);
      const plan = await planSearch(deps, { request, collection, caller, signal });
      const answer = await run(deps, plan, conditions);
      if (answer.hits.length > 0) return answer;
      // Its index may have been switched just then.
      const now = await requireCollection(deps.collections, request.collection, caller);
      if (now.activeVersion === collection.activeVersion) return answer;
      return await run(
        deps,
        await planSearch(deps, { request, collection: now, caller, signal }),
        conditions,
      );
    },
  };
}

interface SearchPlan {
  request: SearchRequest;
  collection: Collection;
  mode: SearchMode;
  vector: Float32Array | null;
}

interface Asked {
  request: SearchRequest;
  collection: Collection;
  caller: RagCaller;
  signal: AbortSignal;
}

async function planSearch(deps: SearchServiceDeps, asked: Asked): Promise<SearchPlan> {
  const { request, collection } = asked;
  const { embeddingModel } = collection;
  const wanted = request.mode ?? 'auto';
  const canBeDense = embeddingModel !== null && deps.store.hasVectors;
  if (wanted === 'lexical' || (wanted === 'auto' && !canBeDense)) {
    return { request, collection, mode: 'lexical', vector: null };
  }
  if (!canBeDense) throw onlyWords(collection, wanted);
  try {
    const vector = await embed(deps.embedder, embeddingModel, asked);
    return { request, collection, mode: wanted === 'auto' ? 'hybrid' : wanted, vector };
  } catch (error) {
    const { code } = toAppError(error);
    if (wanted !== 'auto' || asked.signal.aborted || !isAway(code)) throw error;
    return { request, collection, mode: 'lexical', vector: null };
  }
}

function onlyWords({ name, embeddingModel }: Collection, mode: string): AppError {
  const why =
    embeddingModel === null
      ? `The collection \`${name}\` has no embedding model`
      : 'The index of this installation takes no vectors (its Postgres has no pgvector)';
  return new AppError(
    'invalid_request',
    `${why}, so that it cannot be searched as '${mode}'. Use 'lexical'.`,
    {
      param: 'mode',
    },
  );
}

/** Whether the model is not to be had now, as against a question that it refuses. */
function isAway(code: AppError['code']): boolean {
  return ERRORS[code].retry === 'later' || code === 'model_not_found';
}

async function embed(embedder: Embedder, model: string, { request, caller, signal }: Asked) {
  const { keyName, weight } = caller;
  const limit = AbortSignal.timeout(EMBED_LIMIT_MS);
  try {
    const [vector] = await embedder.embed(
      { model, texts: [request.query], keyName, weight, isBackground: false },
      AbortSignal.any([signal, limit]),
    );
    if (vector) return vector;
  } catch (error) {
    if (!limit.aborted || signal.aborted) throw error;
    throw new AppError('deadline_exceeded', 'The embedding model has not answered in time.', {
      cause: error,
    });
  }
  throw new AppError('bad_backend', 'The embedding model gave no vector.');
}

async function run(
  deps: SearchServiceDeps,
  plan: SearchPlan,
  conditions: readonly MetadataCondition[],
): Promise<SearchAnswer> {
  const { mode, request, collection } = plan;
  const topK = request.top_k ?? TOP_K;
  const scope = await scopeOf(deps.chunks, collection, conditions);
  if (scope.documentIds?.length === 0) return { mode, hits: [] };
  let limit = Math.ceil(topK * 1.5 + 10);
  let found = await look(deps, plan, { ...scope, limit });
  if (found.hits.length < topK && !found.isAll) {
    limit = Math.min(limit * REFILL_FACTOR, FETCH_MAX);
    found = await look(deps, plan, { ...scope, limit });
  }
  const hits = found.hits.filter(({ score }) => score >= (request.min_score ?? Number.NEGATIVE_INFINITY));
  return { mode, hits: hits.slice(0, topK) };
}

interface Scope {
  /** Null: not said to the index. */
  documentIds: string[] | null;
  /** Held against what it found. */
  conditions: readonly MetadataCondition[];
}

async function scopeOf(
  chunks: VisibleChunks,
  { id }: Collection,
  conditions: readonly MetadataCondition[],
): Promise<Scope> {
  if (conditions.length === 0) return { documentIds: null, conditions };
  const documentIds = await chunks.matchingDocuments(id, conditions, FILTER_DOCUMENTS_MAX);
  return { documentIds: documentIds.length > FILTER_DOCUMENTS_MAX ? null : documentIds, conditions };
}

async function look(
  { store, chunks }: SearchServiceDeps,
  { mode, request, collection, vector }: SearchPlan,
  { documentIds, conditions, limit }: Scope & { limit: number },
): Promise<{ hits: SearchHit[]; isAll: boolean }> {
  const { weights } = collection;
  const fusion = { rankConstant: RANK_CONSTANT, weights };
  const { lexical, dense, fused } = await store.search(
    { id: collection.activeVersion, dimensions: vector?.length ?? null },
    { terms: mode === 'dense' ? null : textTerms(request.query), vector, limit, documentIds, fusion },
  );
  const ids = [...new Set([...lexical, ...dense, ...(fused ?? [])].map(({ id }) => id))];
  const visible = ids.length > 0 ? await chunks.byPoints(collection.activeVersion, ids, conditions) : [];
  const byPoint = new Map(visible.map((chunk) => [chunk.pointId, chunk]));
  const shown = (hits: readonly Hit[]) => hits.filter(({ id }) => byPoint.has(id));
  const ranked = fused ? shown(fused) : rank(mode, { lexical: shown(lexical), dense: shown(dense) }, weights);
  return {
    hits: ranked.flatMap(({ id, score }) => {
      const chunk = byPoint.get(id);
      return chunk ? [{ ...chunk, score }] : [];
    }),
    isAll: [lexical, dense, fused ?? []].every(({ length }) => length < limit),
  };
}

function rank(
  mode: SearchMode,
  { lexical, dense }: { lexical: Hit[]; dense: Hit[] },
  weights: Collection['weights'],
): Hit[] {
  if (mode === 'lexical') return lexical;
  if (mode === 'dense') return dense;
  return fuseRanks([
    { hits: lexical, weight: weights.lexical },
    { hits: dense, weight: weights.dense },
  ]);
}
