// Q1: a point is written whole, words and vector, and its write is on disk before it is acknowledged (wait=true).
// Q2: lengths are weighed by the average of what is there. Ids are hashes, so that a page of them is a fair sample.
import type { QdrantClient } from '@qdrant/js-client-rest';
import { AppError } from '../core/errors.ts';
import type { Hit, Point, VectorIndex, VectorQuery, VectorStore } from '../rag/vector-store.ts';
import { createQdrantCalls, type QdrantCalls, type QdrantOptions } from './qdrant-calls.ts';
import { documentWeights, lengthOf, queryWeights, type SparseVector } from './sparse-weights.ts';

const BATCH = 128;
const SAMPLE = 1_000;
const AVERAGE_KEPT_MS = 60_000;

/** The index in Qdrant: a collection of its own for each index version, named dense and sparse vectors in each point. */
export function createQdrantStore(options: QdrantOptions): VectorStore {
  const qdrant = createQdrantCalls(options);
  const ensured = new Set<string>();
  const averages = createAverages(qdrant);

  return {
    kind: 'qdrant',
    hasVectors: true,
    async ensure(index) {
      if (ensured.has(index.id)) return;
      await ensureCollection(qdrant, index);
      ensured.add(index.id);
    },
    async upsert(index, points) {
      const known = [...new Map(points.map((point) => [point.id, point])).values()];
      for (let start = 0; start < known.length; start += BATCH) {
        const batch = known.slice(start, start + BATCH);
        const average = await averages.of(index, batch);
        const body = { wait: true, points: batch.map((point) => toPoint(index, point, average)) };
        const done = await qdrant.call((client) => client.upsert(nameOf(index), body));
        if (done !== null) continue;
        ensured.delete(index.id);
        throw new AppError('not_found', 'This search index is not there any more.');
      }
    },
    async remove(index, ids) {
      for (let start = 0; start < ids.length; start += BATCH) {
        const points = ids.slice(start, start + BATCH);
        await qdrant.call((client) => client.delete(nameOf(index), { wait: true, points }));
      }
    },
    async search(index, { terms, vector, fusion, ...rest }) {
      const words = terms?.length ? { query: queryWeights(terms), using: 'words' as const } : null;
      const meaning = vector && { query: [...vector], using: 'meaning' as const };
      if (words && meaning && fusion && canFuse(fusion)) {
        const fused = await fuse(qdrant, index, { ...rest, fusion, parts: [words, meaning] });
        return { lexical: [], dense: [], fused };
      }
      const [lexical, dense] = await Promise.all(
        [words, meaning].map((part) => part && query(qdrant, index, { ...rest, ...part })),
      );
      return { lexical: lexical ?? [], dense: dense ?? [] };
    },
    async ids(index, after, limit) {
      // Its offset is the first id of the page.
      const body = {
        limit: limit + 1,
        with_payload: false,
        filter: filterOf(index, null),
        ...(after === null ? {} : { offset: after }),
      };
      const page = await qdrant.call((client) => client.scroll(nameOf(index), body));
      const ids = (page?.points ?? []).map(({ id }) => String(id)).filter((id) => id !== after);
      return ids.slice(0, limit);
    },
    async drop(index) {
      ensured.delete(index.id);
      averages.forget(index);
      await qdrant.call((client) => client.deleteCollection(nameOf(index)));
    },
    activate: (index, collectionId) => pointAlias(qdrant, index, collectionId),
    ping: () => qdrant.call((client) => client.getCollections()),
  };
}

function nameOf({ id }: Pick<VectorIndex, 'id'>): string {
  return `citadel_${id}`;
}

async function ensureCollection(qdrant: QdrantCalls, index: VectorIndex): Promise<void> {
  const name = nameOf(index);
  if (!(await isThere(qdrant, name))) await createCollection(qdrant, index);
  // Also where it was there: who made it may have died before these.
  await qdrant.call((client) =>
    client.createPayloadIndex(name, { wait: true, field_name: 'document_id', field_schema: 'keyword' }),
  );
  await qdrant.call((client) =>
    client.createPayloadIndex(name, {
      wait: true,
      field_name: 'version',
      field_schema: { type: 'keyword', is_tenant: true },
    }),
  );
}

async function createCollection(qdrant: QdrantCalls, index: VectorIndex): Promise<void> {
  const { dimensions } = index;
  const name = nameOf(index);
  const meaning = dimensions === null ? {} : { meaning: { size: dimensions, distance: 'Cosine' as const } };
  try {
    await qdrant.call((client) =>
      client.createCollection(name, {
        vectors: meaning,
        sparse_vectors: { words: { modifier: 'idf' } },
        on_disk_payload: true,
      }),
    );
  } catch (error) {
    // Somebody else may have been faster.
    if (!(await isThere(qdrant, name))) throw error;
  }
}

async function isThere(qdrant: QdrantCalls, name: string): Promise<boolean> {
  const found = await qdrant.call((client) => client.collectionExists(name));
  return found?.exists ?? false;
}

/** Written only where it points elsewhere: a write stops the whole of Qdrant for a moment. Both changes are one. */
async function pointAlias(
  qdrant: QdrantCalls,
  index: Pick<VectorIndex, 'id'>,
  collectionId: string,
): Promise<void> {
  const collection_name = nameOf(index);
  const alias_name = `citadel_${collectionId}`;
  const found = await qdrant.call((client) => client.getCollectionAliases(collection_name));
  if (found?.aliases.some((alias) => alias.alias_name === alias_name)) return;
  const actions = [{ delete_alias: { alias_name } }, { create_alias: { collection_name, alias_name } }];
  await qdrant.call((client) => client.updateCollectionAliases({ actions }));
}

function toPoint({ id: version }: VectorIndex, { id, documentId, terms, vector }: Point, average: number) {
  const length = lengthOf(terms);
  return {
    id,
    vector: { words: documentWeights(terms, average), ...(vector === null ? {} : { meaning: [...vector] }) },
    payload: { version, document_id: documentId, length },
  };
}

interface QueryPart {
  query: SparseVector | number[];
  using: 'words' | 'meaning';
}

type Fusion = NonNullable<VectorQuery['fusion']>;

interface Fusing {
  fusion: Fusion;
  parts: QueryPart[];
}

type Scope = Pick<VectorQuery, 'limit' | 'documentIds'>;

async function query(
  qdrant: QdrantCalls,
  index: VectorIndex,
  { limit, documentIds, ...asked }: Scope & QueryPart,
): Promise<Hit[]> {
  return await hitsOf(qdrant, index, { ...asked, limit, filter: filterOf(index, documentIds) });
}

/** Qdrant's own weights divide ranks, 1 / (rank / weight + k - 1), and do not weigh what a list says: only equal ones can it
 *  fuse as rag/fusion does. */
function canFuse({ weights: { lexical, dense } }: Fusion): boolean {
  return lexical === dense;
}

/** Both parts and their fusion in one request, by the formula of rag/fusion. */
async function fuse(
  qdrant: QdrantCalls,
  index: VectorIndex,
  { limit, documentIds, fusion: { rankConstant, weights }, parts }: Scope & Fusing,
): Promise<Hit[]> {
  const filter = filterOf(index, documentIds);
  const hits = await hitsOf(qdrant, index, {
    prefetch: parts.map((part) => ({ ...part, limit, filter })),
    // It counts ranks from 0.
    query: { rrf: { k: rankConstant + 1 } },
    filter,
    limit,
  });
  return hits.map(({ id, score }) => ({ id, score: score * weights.lexical }));
}

async function hitsOf(
  qdrant: QdrantCalls,
  index: VectorIndex,
  body: Parameters<QdrantClient['query']>[1],
): Promise<Hit[]> {
  const found = await qdrant.call((client) => client.query(nameOf(index), { ...body, with_payload: false }));
  return (found?.points ?? []).map(({ id, score }) => ({ id: String(id), score }));
}

/** The tenant's own, whatever is asked. */
function filterOf({ id }: VectorIndex, documentIds: readonly string[] | null) {
  return {
    must: [
      { key: 'version', match: { value: id } },
      ...(documentIds === null ? [] : [{ key: 'document_id', match: { any: [...documentIds] } }]),
    ],
  };
}

/** The average length of an index's points, as of a minute ago at most. */
function createAverages(qdrant: QdrantCalls) {
  const known = new Map<string, { average: number; untilMs: number }>();

  return {
    async of(index: VectorIndex, batch: readonly Point[]): Promise<number> {
      const found = known.get(index.id);
      if (found && found.untilMs > performance.now()) return found.average;
      const body = { limit: SAMPLE, with_payload: ['length'], filter: filterOf(index, null) };
      const page = await qdrant.call((client) => client.scroll(nameOf(index), body));
      const there = (page?.points ?? []).map(({ payload }) => Number(payload?.length ?? 0));
      const coming = there.length < SAMPLE ? batch.map(({ terms }) => lengthOf(terms)) : [];
      const lengths = [...there, ...coming];
      const average = Math.max(1, lengths.reduce((total, length) => total + length, 0) / lengths.length);
      // While it is small each batch changes it.
      if (there.length >= SAMPLE)
        known.set(index.id, { average, untilMs: performance.now() + AVERAGE_KEPT_MS });
      return average;
    },
    forget({ id }: VectorIndex): void {
      known.delete(id);
    },
  };
}
