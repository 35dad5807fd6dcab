import { AppError } from '../core/errors.ts';
import type { SqlPool } from '../core/sql-pool.ts';
import type { Point, VectorIndex, VectorStore } from '../rag/vector-store.ts';
import { dropTerms, putTerms, removeTerms, searchTerms } from './lexical-index.ts';
import { isConnectionError, toStoreError } from './sql-errors.ts';
import { sketchTable } from './vector-sketches.ts';
import { type VectorTable, vectorTable, vectorTableName } from './vector-table.ts';

/** Iterative scans came with it. */
const VERSION_MIN = [0, 8] as const;
const BATCH_MAX = 256;
/** While PGlite writes one, it serves nobody else. */
const PGLITE_BATCH_MAX = 32;
const DIMENSIONS_MAX = 16_000;

interface IndexRow {
  number: number;
  dimensions: number | null;
}

interface OpenIndex {
  number: number;
  dimensions: number | null;
  vectors: VectorTable | null;
}

/**
 * The index in Postgres itself, or in PGlite: words by BM25, and vectors where the extension pgvector (0.8 or newer) is to
 * be had. It makes the extension when the first index asks for vectors.
 */
export async function createPgvectorStore(
  pool: SqlPool,
  { usesHnsw = pool.kind === 'postgres' }: { usesHnsw?: boolean } = {},
): Promise<VectorStore> {
  const hasVectors = await asStore(() => hasPgvector(pool));
  const writtenAtOnce = pool.kind === 'pglite' ? PGLITE_BATCH_MAX : BATCH_MAX;
  const indexes = createIndexes(pool, { hasVectors, usesHnsw });

  return {
    kind: 'pgvector',
    hasVectors,
    ensure: (index) => asStore(() => indexes.ensure(index)),
    upsert: (index, points) =>
      asStore(async () => {
        const known = new Map(points.map((point) => [point.id, point]));
        const open = await indexes.require(index);
        for (const { vector } of points) requireLength(open, vector);
        for (const batch of inBatches([...known.values()], writtenAtOnce)) await putBatch(pool, open, batch);
      }),
    remove: (index, ids) =>
      asStore(async () => {
        const open = await indexes.find(index);
        if (!open) return;
        for (const batch of inBatches([...new Set(ids)])) {
          await pool.transaction(async (tx) => {
            await removeTerms(tx, open.number, batch);
            await open.vectors?.remove(tx, batch);
          });
        }
      }),
    search: (index, { terms, vector, ...rest }) =>
      asStore(async () => {
        const open = await indexes.find(index);
        if (!open) return { lexical: [], dense: [] };
        requireLength(open, vector);
        const [lexical, dense] = await Promise.all([
          terms === null || terms.length === 0 ? [] : searchTerms(pool, open.number, { terms, ...rest }),
          vector === null ? [] : (open.vectors?.search(pool, { vector, ...rest }) ?? []),
        ]);
        return { lexical, dense };
      }),
    ids: (index, after, limit) =>
      asStore(async () => {
        const open = await indexes.find(index);
        return open ? await readIds(pool, open.number, { after, limit }) : [];
      }),
    drop: (index) => asStore(() => indexes.drop(index)),
    ping: () => asStore(() => pool.query('SELECT 1')),
  };
}

/** Whether the database has it, or can have it made, in a version that serves. */
export async function hasPgvector(pool: SqlPool): Promise<boolean> {
  const { rows } = await pool.query<{ version: string }>(
    `SELECT coalesce(installed_version, default_version) AS version
       FROM pg_available_extensions WHERE name = 'vector'`,
  );
  const [major = 0, minor = 0] = (rows[0]?.version ?? '0').split('.').map(Number);
  return major > VERSION_MIN[0] || (major === VERSION_MIN[0] && minor >= VERSION_MIN[1]);
}

/** The indexes by version, as far as this process knows them: they never change, but are dropped. */
function createIndexes(pool: SqlPool, { hasVectors, usesHnsw }: { hasVectors: boolean; usesHnsw: boolean }) {
  const open = new Map<string, OpenIndex>();
  let schema: string | undefined;

  async function find({ id }: VectorIndex): Promise<OpenIndex | null> {
    const known = open.get(id);
    if (known) return known;
    const { rows } = await pool.query<IndexRow>(
      'SELECT number, dimensions FROM citadel.search_index WHERE version_id = $1',
      [id],
    );
    const [row] = rows;
    if (!row) return null;
    const isSketched = await hasSketches(pool, row.number);
    const found = { ...row, vectors: await tableOf(row, isSketched) };
    open.set(id, found);
    return found;
  }

  async function tableOf({ number, dimensions }: IndexRow, isSketched: boolean): Promise<VectorTable | null> {
    if (dimensions === null || !hasVectors) return null;
    schema ??= await findOrMakeExtension(pool);
    return vectorTable({ number, dimensions, schema, usesHnsw, isSketched });
  }

  return {
    find,
    async require(index: VectorIndex): Promise<OpenIndex> {
      const found = await find(index);
      if (!found) throw new AppError('not_found', 'This search index is not there any more.');
      return found;
    },
    async ensure(index: VectorIndex): Promise<void> {
      if (open.has(index.id)) return;
      const { id, dimensions } = index;
      if (dimensions !== null) requireDimensions(dimensions, hasVectors);
      if (dimensions !== null) schema ??= await findOrMakeExtension(pool);
      await pool.transaction(async (tx) => {
        const { rows } = await tx.query<{ number: number }>(
          `INSERT INTO citadel.search_index (version_id, dimensions) VALUES ($1, $2)
           ON CONFLICT (version_id) DO NOTHING RETURNING number`,
          [id, dimensions],
        );
        const [made] = rows;
        if (made) await (await tableOf({ number: made.number, dimensions }, true))?.create(tx);
      });
      await find(index);
    },
    async drop(index: VectorIndex): Promise<void> {
      const found = await find(index);
      open.delete(index.id);
      if (!found) return;
      await dropTerms(pool, found.number);
      await pool.transaction(async (tx) => {
        await found.vectors?.drop(tx);
        await tx.query('DELETE FROM citadel.search_index WHERE number = $1', [found.number]);
      });
    },
  };
}

async function hasSketches(pool: SqlPool, number: number): Promise<boolean> {
  const { rows } = await pool.query<{ found: boolean }>('SELECT to_regclass($1) IS NOT NULL AS found', [
    sketchTable(vectorTableName(number)),
  ]);
  return rows[0]?.found ?? false;
}

function requireDimensions(dimensions: number, hasVectors: boolean): void {
  if (!hasVectors) {
    throw new AppError(
      'invalid_request',
      'This Postgres has no pgvector (0.8 or newer), so that a collection without an embedding model is all it can serve. Install it, or set QDRANT_URL.',
      { param: 'embedding_model' },
    );
  }
  if (Number.isInteger(dimensions) && dimensions > 0 && dimensions <= DIMENSIONS_MAX) return;
  throw new AppError('invalid_request', `Vectors have 1 to ${DIMENSIONS_MAX} dimensions.`, {
    param: 'embedding_model',
  });
}

function requireLength({ dimensions }: OpenIndex, vector: Float32Array | null): void {
  if (vector === null || dimensions === null || vector.length === dimensions) return;
  throw new AppError(
    'bad_backend',
    `The embedding model gives ${vector.length} numbers now, and the collection was made with ${dimensions}.`,
  );
}

/** The schema that the extension's types are in, quoted. In ours where it was not there: any search path finds it so. */
export async function findOrMakeExtension(pool: SqlPool): Promise<string> {
  const known = await findExtension(pool);
  if (known !== null) return known;
  const failure = await pool.query('CREATE EXTENSION IF NOT EXISTS vector SCHEMA citadel').then(
    () => null,
    (error: unknown) => error,
  );
  // Where two make it at once, one of them fails.
  const made = await findExtension(pool);
  if (made !== null) return made;
  if (isConnectionError(failure)) throw failure;
  throw new AppError(
    'store_unavailable',
    (await hasPgvector(pool))
      ? "The database has pgvector, and Citadel's role may not make it: run CREATE EXTENSION vector as its owner."
      : `The database has no pgvector of ${VERSION_MIN.join('.')} or newer: install it there.`,
    { cause: failure },
  );
}

async function findExtension(pool: SqlPool): Promise<string | null> {
  const { rows } = await pool.query<{ schema: string }>(
    `SELECT quote_ident(nspname) AS schema
       FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = 'vector'`,
  );
  return rows[0]?.schema ?? null;
}

/** Words and vectors in one transaction: there is no point with only a half of what it has. */
async function putBatch(pool: SqlPool, open: OpenIndex, batch: readonly Point[]): Promise<void> {
  await pool.transaction(async (tx) => {
    await putTerms(tx, open.number, batch);
    const dense = batch.flatMap((point) =>
      point.vector === null ? [] : [{ ...point, vector: point.vector }],
    );
    if (dense.length > 0) await open.vectors?.put(tx, dense);
  });
}

async function readIds(
  pool: SqlPool,
  index: number,
  { after, limit }: { after: string | null; limit: number },
): Promise<string[]> {
  const { rows } = await pool.query<{ point_id: string }>(
    `SELECT point_id FROM citadel.search_point
      WHERE index_number = $1 AND ($2::uuid IS NULL OR point_id > $2) ORDER BY point_id LIMIT $3`,
    [index, after, limit],
  );
  return rows.map(({ point_id }) => point_id);
}

function inBatches<T>(items: readonly T[], max = BATCH_MAX): T[][] {
  const count = Math.ceil(items.length / max);
  return Array.from({ length: count }, (_, index) => items.slice(index * max, (index + 1) * max));
}

async function asStore<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toStoreError(error, 'The search index');
  }
}
