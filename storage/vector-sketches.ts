// A few bits of each vector (SimHash), in a table beside it: all of them can be looked at, where the vectors are too many.
// Those that are nearest by their bits are then compared as they are, so that scores are exact (decision 011).
import type { SqlPool, SqlQueryable } from '../core/sql-pool.ts';
import { createSimHash } from './sim-hash.ts';

/** Among so many stand 98 of 100 of the ten nearest, of 20 000 vectors of the worst kind tried; of others all of them. */
const CANDIDATES_MIN = 500;
const CANDIDATES_PER_HIT = 10;

export interface VectorSketches {
  create(tx: SqlQueryable): Promise<void>;
  put(tx: SqlQueryable, points: readonly { id: string; vector: Float32Array }[]): Promise<void>;
  remove(tx: SqlQueryable, ids: readonly string[]): Promise<void>;
  drop(tx: SqlQueryable): Promise<void>;
  /** The nearest, in order. */
  search(pool: SqlPool, query: SketchQuery): Promise<{ point_id: string; distance: number }[]>;
}

interface SketchQuery {
  vector: Float32Array;
  /** `vector`, as pgvector reads it. */
  text: string;
  limit: number;
}

interface SketchedVectors {
  /** The table of the vectors, `point_id` and `embedding`. */
  table: string;
  dimensions: number;
  /** Where the extension's operators are, quoted. */
  schema: string;
  /** In SQL, how far `embedding` is from the vector `$1`. */
  distance: string;
}

export function vectorSketches({ table, dimensions, schema, distance }: SketchedVectors): VectorSketches {
  const sketches = sketchTable(table);
  const hash = createSimHash(dimensions);
  const type = `bit(${hash.bits})`;

  return {
    async create(tx) {
      await tx.query(
        `CREATE TABLE IF NOT EXISTS ${sketches} (point_id uuid PRIMARY KEY, sketch ${type} NOT NULL)`,
      );
      // In the row, as it is read with all others.
      await tx.query(`ALTER TABLE ${sketches} ALTER COLUMN sketch SET STORAGE PLAIN`);
    },
    async put(tx, points) {
      await tx.query(
        `INSERT INTO ${sketches} AS s (point_id, sketch)
         SELECT id, sketch::${type} FROM unnest($1::uuid[], $2::text[]) AS p(id, sketch)
         ON CONFLICT (point_id) DO UPDATE SET sketch = excluded.sketch WHERE s.sketch <> excluded.sketch`,
        [points.map(({ id }) => id), points.map(({ vector }) => hash.of(vector))],
      );
    },
    async remove(tx, ids) {
      await tx.query(`DELETE FROM ${sketches} WHERE point_id = ANY($1::uuid[])`, [ids]);
    },
    async drop(tx) {
      await tx.query(`DROP TABLE IF EXISTS ${sketches}`);
    },
    async search(pool, { vector, text, limit }) {
      // OFFSET 0 makes it one look into the index for each: without statistics, as in PGlite, a join would read the whole table.
      const { rows } = await pool.query<{ point_id: string; distance: number }>(
        `WITH near AS MATERIALIZED
           (SELECT point_id FROM ${sketches} ORDER BY sketch OPERATOR(${schema}.<~>) $3::${type} LIMIT $4)
         SELECT v.point_id, v.distance FROM near CROSS JOIN LATERAL
           (SELECT point_id, ${distance} AS distance FROM ${table} WHERE point_id = near.point_id OFFSET 0) AS v
          ORDER BY v.distance LIMIT $2`,
        [text, limit, hash.of(vector), Math.max(CANDIDATES_MIN, limit * CANDIDATES_PER_HIT)],
      );
      return rows;
    },
  };
}

/** The table with the sketches of the vectors in `table`. */
export function sketchTable(table: string): string {
  return `${table}_sketch`;
}
