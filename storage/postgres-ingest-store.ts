import { z } from 'zod';
import type { SqlPool } from '../core/sql-pool.ts';
import type { IngestItem, IngestJob, IngestStore, ItemStatus } from '../rag/ingest-job.ts';
import { acceptIngest, knownIngest } from './rag-accept.ts';
import { STAGE_NAMES } from './rag-columns.ts';
import { dropGenerations, endItems } from './rag-endings.ts';
import { withoutDeadlock } from './run-commit.ts';
import { plainText, reachable } from './run-values.ts';

const STATUSES = ['in_progress', 'completed', 'failed', 'cancelled', 'unchanged'] as const;
const COUNTS = STATUSES.map(
  (status) =>
    `(SELECT count(*) FROM citadel.ingest_item WHERE job_id = job.id AND status = '${status}') AS ${status}`,
).join(', ');

const JOBS = `
  SELECT id, collection_id, owner, last_seq, created_at, ended_at, ${COUNTS} FROM citadel.ingest_job AS job`;
const SELECT_JOB = `${JOBS} WHERE id = $1`;

const SELECT_PAGE = `${JOBS}
  WHERE ($2::text IS NULL OR (created_at, id) < (SELECT created_at, id FROM citadel.ingest_job WHERE id = $2))
    AND ($3::text IS NULL OR owner = $3)
    AND ($4::text IS NULL OR collection_id = $4)
  ORDER BY created_at DESC, id DESC
  LIMIT $1`;

const ITEMS = `
  SELECT item.ordinal, item.document_id, item.external_id, item.status, coalesce(item.stage, made.stage) AS stage,
    item.reason_code, coalesce(item.error, made.error) AS error, made.waiting_on, coalesce(made.pages_done, 0) AS pages_done, made.pages_total,
    coalesce(item.chunk_count, made.chunk_count, 0) AS chunks_total,
    CASE WHEN item.status = 'completed' THEN item.chunk_count
      WHEN made.stage IN ('index', 'publish') THEN (
        SELECT count(*) FROM citadel.chunk
        WHERE chunk.document_id = item.document_id AND chunk.generation = item.generation AND state = 'indexed'
      ) ELSE 0 END AS chunks_indexed,
    item.seq, item.ended_at
  FROM citadel.ingest_item AS item
  LEFT JOIN citadel.generation AS made
    ON made.document_id = item.document_id AND made.generation = item.generation AND item.status = 'in_progress'
  WHERE item.job_id = $1`;

const SELECT_ITEMS = `${ITEMS} AND item.ordinal > $2 ORDER BY item.ordinal LIMIT $3`;
const SELECT_ENDED = `${ITEMS} AND item.seq > $2 ORDER BY item.seq LIMIT $3`;

const SELECT_OPEN = `
  SELECT document_id, generation FROM citadel.ingest_item
  WHERE job_id = $1 AND status = 'in_progress' AND generation IS NOT NULL`;

// Locked before they end: a worker that is at one finds its claim gone, or was faster.
const LOCK_OPEN = `
  SELECT document_id, generation FROM citadel.generation
  WHERE state = 'in_progress'
    AND (document_id, generation) IN (
      SELECT * FROM json_to_recordset($1::json) AS open (document_id text, generation bigint)
    )
  ORDER BY document_id FOR UPDATE`;

const CANCEL_BATCH = 500;

const Whole = z.coerce.number();

const JobRow = z.object({
  id: z.string(),
  collection_id: z.string(),
  owner: z.string(),
  last_seq: Whole,
  created_at: z.date(),
  ended_at: z.date().nullable(),
  in_progress: Whole,
  completed: Whole,
  failed: Whole,
  cancelled: Whole,
  unchanged: Whole,
});

const ItemRow = z.object({
  ordinal: z.number(),
  document_id: z.string(),
  external_id: z.string(),
  status: z.enum(STATUSES),
  stage: z.enum(STAGE_NAMES).nullable(),
  reason_code: z.string().nullable(),
  error: z.string().nullable(),
  waiting_on: z.string().nullable(),
  pages_done: z.number(),
  pages_total: z.number().nullable(),
  chunks_total: Whole,
  chunks_indexed: Whole,
  seq: Whole.nullable(),
  ended_at: z.date().nullable(),
});

/** Jobs of ingest in Postgres, a server or PGlite. */
export function createPostgresIngestStore(database: SqlPool): IngestStore {
  const pool = reachable(database);

  return {
    accept: (ingest) => withoutDeadlock(() => acceptIngest(pool, ingest)),
    known: (owner, idempotency) => knownIngest(pool, owner, idempotency),

    async job(id) {
      const { rows } = await pool.query(SELECT_JOB, [plainText(id)]);
      return rows[0] ? toJob(JobRow.parse(rows[0])) : null;
    },

    async list({ limit, after, owner, collectionId }) {
      const { rows } = await pool.query(SELECT_PAGE, [limit + 1, after, owner, collectionId]);
      return rows.map((row) => toJob(JobRow.parse(row)));
    },

    async items(id, { afterOrdinal, limit }) {
      const { rows } = await pool.query(SELECT_ITEMS, [id, afterOrdinal, limit]);
      return rows.map(toItem);
    },

    async ended(id, afterSeq, limit) {
      const { rows } = await pool.query(SELECT_ENDED, [id, afterSeq, limit]);
      return rows.map(toItem);
    },

    async cancel(id) {
      const { rows } = await pool.query<{ document_id: string; generation: string }>(SELECT_OPEN, [id]);
      for (let from = 0; from < rows.length; from += CANCEL_BATCH) {
        const batch = JSON.stringify(rows.slice(from, from + CANCEL_BATCH));
        await withoutDeadlock(() => pool.transaction((tx) => cancelBatch(tx, batch)));
      }
    },
  };
}

async function cancelBatch(tx: Parameters<typeof endItems>[0], batch: string): Promise<void> {
  const locked = await tx.query<{ document_id: string; generation: string }>(LOCK_OPEN, [batch]);
  const keys = locked.rows.map((row) => ({
    documentId: row.document_id,
    generation: Number(row.generation),
  }));
  await endItems(
    tx,
    keys.map((key) => ({ ...key, status: 'cancelled', reasonCode: 'cancelled', error: null })),
  );
  await dropGenerations(tx, keys);
}

function toJob(row: z.infer<typeof JobRow>): IngestJob {
  const counts = Object.fromEntries(STATUSES.map((status) => [status, row[status]]));
  return {
    id: row.id,
    collectionId: row.collection_id,
    owner: row.owner,
    lastSeq: row.last_seq,
    createdAt: row.created_at,
    endedAt: row.ended_at,
    counts: counts as Record<ItemStatus, number>,
  };
}

function toItem(raw: unknown): IngestItem {
  const row = ItemRow.parse(raw);
  return {
    ordinal: row.ordinal,
    documentId: row.document_id,
    externalId: row.external_id,
    status: row.status,
    stage: row.stage,
    reasonCode: row.reason_code,
    error: row.error,
    waitingOn: row.waiting_on,
    pagesDone: row.pages_done,
    pagesTotal: row.pages_total,
    chunksTotal: row.chunks_total,
    chunksIndexed: row.chunks_indexed,
    seq: row.seq,
    endedAt: row.ended_at,
  };
}
