// The vectors of one index version: a table of its own, so that dropping a version gives its space back at once.
// Floats and not halves: in PGlite (WebAssembly without half floats) those take fifteen times as long to compare.
import type { SqlPool, SqlQueryable } from '../core/sql-pool.ts';
import type { Hit, Point } from '../rag/vector-store.ts';
import { type VectorSketches, vectorSketches } from './vector-sketches.ts';

/** pgvector's limit for HNSW, and what fits a page; longer vectors are read one by one, from beside the table. */
const INDEXED_DIMENSIONS_MAX = 2_000;
/** With a filter HNSW loses what it looks for (recall 0.04 at 1 %): so many rows are rather read one by one. */
const SCANNED_ROWS_MAX = 20_000;
const CANDIDATES_MIN = 100;
const CANDIDATES_MAX = 1_000;

/** A table by the index's number, in the database that holds pgvector in `schema`. */
export interface VectorTable {
  create(tx: SqlQueryable): Promise<void>;
  put(tx: SqlQueryable, points: readonly (Point & { vector: Float32Array })[]): Promise<void>;
  remove(tx: SqlQueryable, ids: readonly string[]): Promise<void>;
  search(pool: SqlPool, query: DenseQuery): Promise<Hit[]>;
  drop(tx: SqlQueryable): Promise<void>;
}

/** Its name in SQL. */
export function vectorTableName(number: number): string {
  return `citadel.vector_${number}`;
}

interface DenseQuery {
  vector: Float32Array;
  limit: number;
  documentIds: readonly string[] | null;
}

export interface VectorTablePlace {
  /** The index's number. */
  number: number;
  dimensions: number;
  /** Where the extension's types are, quoted. */
  schema: string;
  /**
   * Whether HNSW finds neighbours where it can. In PGlite a row costs it 5 ms and more, in which nobody else is served: it
   * does without. Where it does not, sketches find them.
   */
  usesHnsw: boolean;
  /** Whether it has sketches where HNSW does not find neighbours: not so of what was made before there were any. */
  isSketched: boolean;
}

export function vectorTable(place: VectorTablePlace): VectorTable {
  const { number, dimensions, schema, usesHnsw, isSketched } = place;
  const table = vectorTableName(number);
  const hasHnsw = usesHnsw && dimensions <= INDEXED_DIMENSIONS_MAX;
  const type = `${schema}.vector`;
  // Vectors have length 1, so that the inner product is the cosine; the operator gives its negative.
  const distance = `embedding OPERATOR(${schema}.<#>) $1::${type}`;
  const sketches = hasHnsw || !isSketched ? null : vectorSketches({ table, dimensions, schema, distance });

  return {
    async create(tx) {
      await tx.query(`
        CREATE TABLE IF NOT EXISTS ${table} (
          point_id    uuid PRIMARY KEY,
          document_id text NOT NULL,
          embedding   ${type}(${dimensions}) NOT NULL
        )`);
      // In the row: a scan that fetches each vector from elsewhere takes several times as long.
      if (dimensions <= INDEXED_DIMENSIONS_MAX) {
        await tx.query(`ALTER TABLE ${table} ALTER COLUMN embedding SET STORAGE PLAIN`);
      }
      if (hasHnsw) {
        // While it is empty: it grows with the rows.
        await tx.query(
          `CREATE INDEX IF NOT EXISTS vector_${number}_near ON ${table} USING hnsw (embedding ${schema}.vector_ip_ops)`,
        );
      }
      await tx.query(`CREATE INDEX IF NOT EXISTS vector_${number}_document ON ${table} (document_id)`);
      await sketches?.create(tx);
    },
    async put(tx, points) {
      await tx.query(
        `INSERT INTO ${table} AS t (point_id, document_id, embedding)
         SELECT id, document_id, embedding::${type}
           FROM unnest($1::uuid[], $2::text[], $3::text[]) AS p(id, document_id, embedding)
         ON CONFLICT (point_id) DO UPDATE SET document_id = excluded.document_id, embedding = excluded.embedding
          WHERE t.embedding OPERATOR(${schema}.<>) excluded.embedding`,
        [
          points.map(({ id }) => id),
          points.map(({ documentId }) => documentId),
          points.map(({ vector }) => toText(vector)),
        ],
      );
      await sketches?.put(tx, points);
    },
    async remove(tx, ids) {
      await tx.query(`DELETE FROM ${table} WHERE point_id = ANY($1::uuid[])`, [ids]);
      await sketches?.remove(tx, ids);
    },
    search: (pool, query) => search(pool, { ...query, table, distance, hasHnsw, sketches }),
    async drop(tx) {
      await sketches?.drop(tx);
      await tx.query(`DROP TABLE IF EXISTS ${table}`);
    },
  };
}

interface TableQuery extends DenseQuery {
  table: string;
  distance: string;
  hasHnsw: boolean;
  sketches: VectorSketches | null;
}

async function search(pool: SqlPool, query: TableQuery): Promise<Hit[]> {
  const { sketches, vector, limit, documentIds } = query;
  if (sketches && documentIds === null) {
    return toHits(await sketches.search(pool, { vector, text: toText(vector), limit }));
  }
  if (query.hasHnsw && (await isWide(pool, query))) return await searchNear(pool, query);
  return await scan(pool, query);
}

async function isWide(pool: SqlPool, { table, documentIds }: TableQuery): Promise<boolean> {
  if (documentIds === null) return true;
  const { rows } = await pool.query<{ rows: number }>(
    `SELECT count(*)::int AS rows FROM
       (SELECT 1 FROM ${table} WHERE document_id = ANY($1) LIMIT ${SCANNED_ROWS_MAX + 1}) AS r`,
    [documentIds],
  );
  return (rows[0]?.rows ?? 0) > SCANNED_ROWS_MAX;
}

async function searchNear(pool: SqlPool, { table, distance, ...query }: TableQuery): Promise<Hit[]> {
  const { vector, limit, documentIds } = query;
  const candidates = Math.min(Math.max(limit * 2, CANDIDATES_MIN), CANDIDATES_MAX);
  const settings = [
    `hnsw.ef_search = ${candidates}`,
    // It goes on until it has enough rows that the filter lets through.
    'hnsw.iterative_scan = relaxed_order',
    // The planner knows nothing of the parameters, and would sort them all.
    'enable_seqscan = off',
  ];
  return await pool.transaction(async (tx) => {
    for (const setting of settings) await tx.query(`SET LOCAL ${setting}`);
    const { rows } = await tx.query<NearRow>(
      `SELECT point_id, ${distance} AS distance FROM ${table}
        WHERE $3::text[] IS NULL OR document_id = ANY($3) ORDER BY ${distance} LIMIT $2`,
      [toText(vector), limit, documentIds],
    );
    return toHits(rows);
  });
}

async function scan(pool: SqlPool, { table, distance, ...query }: TableQuery): Promise<Hit[]> {
  const { vector, limit, documentIds } = query;
  const rowsOf = (where: string) =>
    // OFFSET 0 keeps the two apart: no index orders it, and each distance is worked out once.
    `(SELECT point_id, ${distance} AS distance FROM ${table} ${where} OFFSET 0) AS s`;
  const source = documentIds
    ? // One look into the index for each: without statistics, as in PGlite, a join would read the whole table.
      `unnest($3::text[]) AS d(id) CROSS JOIN LATERAL ${rowsOf('WHERE document_id = d.id')}`
    : rowsOf('');
  const { rows } = await pool.query<NearRow>(
    `SELECT s.point_id, s.distance FROM ${source} ORDER BY s.distance LIMIT $2`,
    [toText(vector), limit, ...(documentIds ? [documentIds] : [])],
  );
  return toHits(rows);
}

interface NearRow {
  point_id: string;
  distance: number;
}

// By relaxed order, they come nearly sorted.
function toHits(rows: readonly NearRow[]): Hit[] {
  return rows
    .map(({ point_id, distance }) => ({ id: point_id, score: -distance }))
    .sort((a, b) => b.score - a.score);
}

/** As pgvector reads it, with length 1. */
function toText(vector: Float32Array): string {
  const length = Math.hypot(...vector);
  return `[${Array.from(vector, (value) => (value / length).toPrecision(7)).join(',')}]`;
}
