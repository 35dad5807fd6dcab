import type { SqlPool } from '../core/sql-pool.ts';
import type { EmbedCache } from '../rag/embed-cache.ts';
import { reachable } from './run-values.ts';

// What is used again soon after is not marked each time.
const READ = `
  WITH found AS (
    SELECT text_hash, vector, used_at FROM citadel.embed_cache WHERE model = $1 AND text_hash = ANY($2)
  ), used AS (
    UPDATE citadel.embed_cache SET used_at = now()
    WHERE model = $1 AND text_hash IN (SELECT text_hash FROM found WHERE used_at < now() - interval '1 hour')
  )
  SELECT text_hash, encode(vector, 'base64') AS vector FROM found`;

const WRITE = `
  INSERT INTO citadel.embed_cache (model, text_hash, dimensions, vector)
  SELECT $1, text_hash, dimensions, decode(vector, 'base64')
  FROM json_to_recordset($2::json) AS new (text_hash text, dimensions integer, vector text)
  ORDER BY text_hash
  ON CONFLICT (model, text_hash) DO UPDATE SET used_at = now()`;

const FLOAT_BYTES = 4;

/** Vectors that were paid for, in Postgres, a server or PGlite. */
export function createPostgresEmbedCache(database: SqlPool): EmbedCache {
  const pool = reachable(database);

  return {
    async read(model, textHashes) {
      const { rows } = await pool.query<{ text_hash: string; vector: string }>(READ, [model, textHashes]);
      return new Map(rows.map((row) => [row.text_hash, toVector(Buffer.from(row.vector, 'base64'))]));
    },
    async write(model, vectors) {
      const rows = Array.from(vectors, ([textHash, vector]) => ({
        text_hash: textHash,
        dimensions: vector.length,
        vector: toBytes(vector).toString('base64'),
      }));
      await pool.query(WRITE, [model, JSON.stringify(rows)]);
    },
  };
}

function toBytes(vector: Float32Array): Buffer {
  const bytes = Buffer.allocUnsafe(vector.length * FLOAT_BYTES);
  for (const [index, value] of vector.entries()) bytes.writeFloatLE(value, index * FLOAT_BYTES);
  return bytes;
}

function toVector(bytes: Buffer): Float32Array {
  const vector = new Float32Array(bytes.length / FLOAT_BYTES);
  for (let index = 0; index < vector.length; index++) vector[index] = bytes.readFloatLE(index * FLOAT_BYTES);
  return vector;
}
