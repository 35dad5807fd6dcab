import type { SqlPool } from '../core/sql-pool.ts';
import type { IndexRows } from '../rag/index-rows.ts';
import { reachable } from './run-values.ts';

const POINTS = `
  SELECT point_id, bool_or(state = 'indexed') AS is_indexed FROM citadel.chunk
  WHERE version_id = $1 AND ($2::uuid IS NULL OR point_id > $2)
  GROUP BY point_id ORDER BY point_id LIMIT $3`;

// One of those that have it: what makes the point is the same in all. One look into the index for each, as in visible-chunks.
const LOST = `
  SELECT DISTINCT ON (chunk.point_id) chunk.point_id, chunk.document_id, chunk.heading_path, chunk.text, chunk.text_hash,
    coalesce(made.title, made.found_title) AS title, made.owner, made.weight
  FROM unnest($2::uuid[]) AS wanted(id)
  CROSS JOIN LATERAL (
    SELECT * FROM citadel.chunk WHERE version_id = $1 AND point_id = wanted.id AND state = 'indexed' OFFSET 0
  ) AS chunk
  JOIN citadel.generation AS made
    ON made.document_id = chunk.document_id AND made.generation = chunk.generation
  ORDER BY chunk.point_id, chunk.generation DESC`;

const DISCARD = `
  INSERT INTO citadel.point_outbox (version_id, point_id)
  SELECT $1, id FROM unnest($2::uuid[]) AS id
  WHERE NOT EXISTS (SELECT FROM citadel.chunk WHERE version_id = $1 AND point_id = id)
  ON CONFLICT DO NOTHING`;

interface LostRow {
  point_id: string;
  document_id: string;
  heading_path: string[];
  text: string;
  text_hash: string;
  title: string | null;
  owner: string;
  weight: number;
}

/** What the rows say of an index, in Postgres, a server or PGlite. */
export function createPostgresIndexRows(database: SqlPool): IndexRows {
  const pool = reachable(database);

  return {
    async points(versionId, after, limit) {
      const { rows } = await pool.query<{ point_id: string; is_indexed: boolean }>(POINTS, [
        ...[versionId, after, limit],
      ]);
      return rows.map((row) => ({ pointId: row.point_id, isIndexed: row.is_indexed }));
    },
    async lost(versionId, pointIds) {
      const { rows } = await pool.query<LostRow>(LOST, [versionId, pointIds]);
      return rows.map((row) => ({
        pointId: row.point_id,
        documentId: row.document_id,
        title: row.title,
        headingPath: row.heading_path,
        text: row.text,
        textHash: row.text_hash,
        owner: row.owner,
        weight: row.weight,
      }));
    },
    async discard({ id }, pointIds) {
      await pool.query(DISCARD, [id, pointIds]);
    },
  };
}
