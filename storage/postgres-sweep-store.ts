import type { SqlPool, SqlQueryable } from '../core/sql-pool.ts';
import type { SweepStore } from '../rag/sweep-store.ts';
import type { VectorIndex } from '../rag/vector-store.ts';
import { dropGenerations } from './rag-endings.ts';
import { reachable } from './run-values.ts';

// S1: a point goes only while no chunk has it. Whoever writes one takes it off the list first, and waits while a sweep
// is at it; so none is deleted after it was written.
const NEEDED = `
  DELETE FROM citadel.point_outbox AS listed
  WHERE (listed.version_id, listed.point_id) IN (
    SELECT version_id, point_id FROM citadel.point_outbox ORDER BY created_at LIMIT $1
  ) AND EXISTS (
    SELECT FROM citadel.chunk WHERE chunk.version_id = listed.version_id AND chunk.point_id = listed.point_id
  )`;

const TAKE = `
  WITH first AS (
    SELECT version_id FROM citadel.point_outbox
    WHERE claimed_until IS NULL OR claimed_until < now() ORDER BY created_at LIMIT 1
  ), due AS (
    SELECT listed.version_id, listed.point_id FROM citadel.point_outbox AS listed JOIN first USING (version_id)
    WHERE listed.claimed_until IS NULL OR listed.claimed_until < now()
    LIMIT $1 FOR UPDATE OF listed SKIP LOCKED
  ), taken AS (
    UPDATE citadel.point_outbox AS listed SET claimed_until = now() + interval '60 s'
    FROM due
    WHERE listed.version_id = due.version_id AND listed.point_id = due.point_id AND NOT EXISTS (
      SELECT FROM citadel.chunk WHERE chunk.version_id = due.version_id AND chunk.point_id = due.point_id
    )
    RETURNING listed.version_id, listed.point_id
  )
  SELECT taken.version_id, taken.point_id, version.dimensions
  FROM taken LEFT JOIN citadel.index_version AS version ON version.id = taken.version_id`;

const REMOVED = `
  DELETE FROM citadel.point_outbox WHERE version_id = $1 AND point_id = ANY($2::uuid[])`;

const RETIRE = `
  WITH gone AS (
    SELECT id, dimensions FROM citadel.index_version AS version
    WHERE NOT EXISTS (SELECT FROM citadel.collection WHERE collection.id = version.collection_id)
      OR (state = 'retired' AND retired_at < now() - $1 * interval '1 day')
  )
  INSERT INTO citadel.index_outbox (version_id, dimensions) SELECT id, dimensions FROM gone
  ON CONFLICT (version_id) DO NOTHING`;

const SELECT_INDEXES = 'SELECT version_id, dimensions FROM citadel.index_outbox ORDER BY created_at LIMIT 10';

const ROWS_OF = `
  SELECT document_id, generation FROM citadel.generation WHERE version_id = $1
  ORDER BY document_id LIMIT $2 FOR UPDATE SKIP LOCKED`;

const HAS_ROWS = 'SELECT 1 FROM citadel.generation WHERE version_id = $1 LIMIT 1';

const DROP_DOCUMENTS = `
  DELETE FROM citadel.document
  WHERE collection_id IN (SELECT collection_id FROM citadel.index_version WHERE id = $1)
    AND NOT EXISTS (SELECT FROM citadel.collection WHERE collection.id = document.collection_id)`;

const DROPPED = `
  WITH points AS (
    DELETE FROM citadel.point_outbox WHERE version_id = $1
  ), version AS (
    DELETE FROM citadel.index_version WHERE id = $1
  )
  DELETE FROM citadel.index_outbox WHERE version_id = $1`;

// S2: an accept locks the same row, so that it comes before (then the blob is needed) or after (then it is sent anew).
const TAKE_BLOBS = `
  SELECT sha256, EXISTS (SELECT FROM citadel.generation WHERE blob_sha256 = sha256 AND body IS NULL) AS is_needed
  FROM citadel.blob_outbox WHERE created_at < now() - interval '1 minute'
  ORDER BY created_at LIMIT $1 FOR UPDATE SKIP LOCKED`;

const FORGET_BLOBS = 'DELETE FROM citadel.blob_outbox WHERE sha256 = ANY($1)';

const NOTE_BLOBS = `
  INSERT INTO citadel.blob_outbox (sha256)
  SELECT sha256 FROM unnest($1::text[]) AS sha256
  WHERE NOT EXISTS (SELECT FROM citadel.generation WHERE blob_sha256 = sha256 AND body IS NULL)
  ON CONFLICT (sha256) DO NOTHING`;

/** Rows of one statement. */
const JOBS_MAX = 20;
const VECTORS_MAX = 1_000;

const FORGET_JOBS = `
  WITH old AS (
    DELETE FROM citadel.ingest_job WHERE id IN (
      SELECT id FROM citadel.ingest_job AS job WHERE ended_at < now() - $1 * interval '1 day' AND NOT EXISTS (
        SELECT FROM citadel.webhook_outbox AS webhook WHERE webhook.run_id = job.id AND webhook.next_at IS NOT NULL
      ) LIMIT $2
    ) RETURNING id
  ), items AS (
    DELETE FROM citadel.ingest_item WHERE job_id IN (SELECT id FROM old)
  ), webhooks AS (
    DELETE FROM citadel.webhook_outbox WHERE run_id IN (SELECT id FROM old)
  )
  SELECT count(*)::integer AS count FROM old`;

const FORGET_VECTORS = `
  DELETE FROM citadel.embed_cache WHERE (model, text_hash) IN (
    SELECT model, text_hash FROM citadel.embed_cache WHERE used_at < now() - $1 * interval '1 day' LIMIT ${VECTORS_MAX}
  )`;

// Only what has not been used for a while: an ingest between paying and indexing has just written its own.
const FORGET_TOO_MANY = `
  DELETE FROM citadel.embed_cache WHERE (model, text_hash) IN (
    SELECT model, text_hash FROM citadel.embed_cache WHERE used_at < now() - interval '1 hour'
    ORDER BY used_at LIMIT (SELECT greatest(0, least(${VECTORS_MAX}, count(*) - $1)) FROM citadel.embed_cache)
  )`;

/** What is left over in Postgres, a server or PGlite. */
export function createPostgresSweepStore(database: SqlPool): SweepStore {
  const pool = reachable(database);

  return {
    async takePoints(max) {
      await pool.query(NEEDED, [max]);
      const { rows } = await pool.query<{ version_id: string; point_id: string; dimensions: number | null }>(
        TAKE,
        [max],
      );
      const [first] = rows;
      if (!first) return null;
      const index: VectorIndex = { id: first.version_id, dimensions: first.dimensions };
      return { index, pointIds: rows.map((row) => row.point_id) };
    },
    async pointsRemoved(versionId, pointIds) {
      await pool.query(REMOVED, [versionId, pointIds]);
    },
    async retire(keptDays) {
      await pool.query(RETIRE, [keptDays]);
    },
    async indexes() {
      const { rows } = await pool.query<{ version_id: string; dimensions: number | null }>(SELECT_INDEXES);
      return rows.map((row) => ({ id: row.version_id, dimensions: row.dimensions }));
    },
    purgeRows: (versionId, max) => pool.transaction((tx) => purgeRows(tx, versionId, max)),
    async indexDropped(versionId) {
      await pool.query(DROP_DOCUMENTS, [versionId]);
      await pool.query(DROPPED, [versionId]);
    },
    sweepBlobs: (max, remove) => pool.transaction((tx) => sweepBlobs(tx, max, remove)),
    async noteBlobs(sha256s) {
      await pool.query(NOTE_BLOBS, [sha256s]);
    },
    async forget({ jobDays, vectorDays, vectorsMax }) {
      const jobs = jobDays > 0 ? await pool.query<{ count: number }>(FORGET_JOBS, [jobDays, JOBS_MAX]) : null;
      const old = vectorDays > 0 ? await pool.query(FORGET_VECTORS, [vectorDays]) : null;
      const tooMany = await pool.query(FORGET_TOO_MANY, [vectorsMax]);
      return (
        (jobs?.rows[0]?.count ?? 0) >= JOBS_MAX ||
        [old, tooMany].some((result) => (result?.rowCount ?? 0) >= VECTORS_MAX)
      );
    },
  };
}

async function purgeRows(tx: SqlQueryable, versionId: string, max: number): Promise<boolean> {
  const { rows } = await tx.query<{ document_id: string; generation: string }>(ROWS_OF, [versionId, max]);
  await dropGenerations(
    tx,
    rows.map((row) => ({ documentId: row.document_id, generation: Number(row.generation) })),
  );
  const left = await tx.query(HAS_ROWS, [versionId]);
  return left.rows.length === 0;
}

async function sweepBlobs(
  tx: SqlQueryable,
  max: number,
  remove: (sha256: string) => Promise<void>,
): Promise<number> {
  const { rows } = await tx.query<{ sha256: string; is_needed: boolean }>(TAKE_BLOBS, [max]);
  for (const { sha256, is_needed: isNeeded } of rows) {
    if (!isNeeded) await remove(sha256);
  }
  if (rows.length > 0) await tx.query(FORGET_BLOBS, [rows.map(({ sha256 }) => sha256)]);
  return rows.length;
}
