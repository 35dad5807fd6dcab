import { newMessageId } from '../core/ids.ts';
import type { SqlQueryable } from '../core/sql-pool.ts';
import type { ItemStatus } from '../rag/ingest-job.ts';
import { plainText } from './run-values.ts';

/** How a content of a document ended, for the items that wait for it. */
export interface Ending {
  documentId: string;
  generation: number;
  status: Exclude<ItemStatus, 'in_progress'>;
  reasonCode: string | null;
  error: string | null;
}

// By their generations, not by the index of all that are open: it is the same condition, written so that no plan takes that.
// Two may end the same item: the job's row, which the first has locked, lets the second see it. Numbers may have gaps.
const END_ITEMS = `
  WITH ending AS (
    SELECT * FROM json_to_recordset($1::json) AS ending (
      document_id text, generation bigint, status text, reason_code text, error text
    )
  ), open AS (
    SELECT item.job_id, item.ordinal, ending.status, ending.reason_code, ending.error,
      made.stage, coalesce(made.chunk_count, 0) AS chunk_count,
      row_number() OVER (PARTITION BY item.job_id ORDER BY item.ordinal) AS number
    FROM ending
    JOIN citadel.ingest_item AS item USING (document_id, generation)
    LEFT JOIN citadel.generation AS made USING (document_id, generation)
    WHERE item.status || '' = 'in_progress'
  ), job AS (
    UPDATE citadel.ingest_job AS job SET last_seq = job.last_seq + counted.count
    FROM (SELECT job_id, count(*) AS count FROM open GROUP BY job_id) AS counted
    WHERE job.id = counted.job_id
    RETURNING job.id, job.last_seq - counted.count AS seq_before
  )
  UPDATE citadel.ingest_item AS item SET
    status = open.status, reason_code = open.reason_code, error = open.error, stage = open.stage,
    chunk_count = open.chunk_count, seq = job.seq_before + open.number, ended_at = now()
  FROM open JOIN job ON job.id = open.job_id
  WHERE item.job_id = open.job_id AND item.ordinal = open.ordinal AND item.status = 'in_progress'
  RETURNING item.job_id`;

const FINISH_JOBS = `
  WITH ended AS (
    UPDATE citadel.ingest_job AS job SET ended_at = now(), last_seq = last_seq + 1
    WHERE id = ANY($1) AND ended_at IS NULL
      AND NOT EXISTS (SELECT FROM citadel.ingest_item WHERE job_id = job.id AND status = 'in_progress')
    RETURNING id, webhook
  )
  SELECT id,
    EXISTS (SELECT FROM citadel.ingest_item WHERE job_id = id AND status = 'failed')
      AND NOT EXISTS (SELECT FROM citadel.ingest_item WHERE job_id = id AND status IN ('completed', 'unchanged'))
      AS has_failed
  FROM ended WHERE webhook IS NOT NULL`;

const ANNOUNCE = `
  INSERT INTO citadel.webhook_outbox (id, run_id, event, created_at, next_at) VALUES ($1, $2, $3, now(), now())`;

/** Ends the items that wait for these, and the jobs that wait for nothing else. Before the generations' rows go. */
export async function endItems(tx: SqlQueryable, endings: readonly Ending[]): Promise<void> {
  if (endings.length === 0) return;
  const rows = endings.map(({ documentId, generation, status, reasonCode, error }) => ({
    document_id: documentId,
    generation,
    status,
    reason_code: reasonCode,
    error: error === null ? null : plainText(error),
  }));
  const ended = await tx.query<{ job_id: string }>(END_ITEMS, [JSON.stringify(rows)]);
  await finishJobs(tx, [...new Set(ended.rows.map((row) => row.job_id))]);
}

/** Ends those of the jobs of which no item is open. */
export async function finishJobs(tx: SqlQueryable, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  const { rows } = await tx.query<{ id: string; has_failed: boolean }>(FINISH_JOBS, [ids]);
  for (const { id, has_failed: hasFailed } of rows) {
    await tx.query(ANNOUNCE, [newMessageId(), id, hasFailed ? 'ingest.failed' : 'ingest.completed']);
  }
}

export interface GenerationKey {
  documentId: string;
  generation: number;
}

const DROP = `
  WITH gone AS (
    SELECT * FROM json_to_recordset($1::json) AS gone (document_id text, generation bigint)
  ), dropped AS (
    DELETE FROM citadel.generation AS made USING gone
    WHERE made.document_id = gone.document_id AND made.generation = gone.generation
    RETURNING made.blob_sha256, made.body IS NULL AS is_blob
  ), cut AS (
    DELETE FROM citadel.chunk USING gone
    WHERE chunk.document_id = gone.document_id AND chunk.generation = gone.generation
    RETURNING chunk.version_id, chunk.point_id, chunk.document_id, chunk.generation
  ), noted AS (
    INSERT INTO citadel.point_outbox (version_id, point_id)
    SELECT DISTINCT cut.version_id, cut.point_id FROM cut
    WHERE NOT EXISTS (
      SELECT FROM citadel.chunk AS other
      WHERE other.version_id = cut.version_id AND other.point_id = cut.point_id
        AND (other.document_id, other.generation) NOT IN (SELECT document_id, generation FROM gone)
    )
    ON CONFLICT (version_id, point_id) DO NOTHING
  )
  INSERT INTO citadel.blob_outbox (sha256)
  SELECT DISTINCT blob_sha256 FROM dropped WHERE is_blob
  ON CONFLICT (sha256) DO NOTHING`;

/** Takes the rows away; points and blobs that nothing else needs are noted for the sweep. */
export async function dropGenerations(tx: SqlQueryable, keys: readonly GenerationKey[]): Promise<void> {
  if (keys.length === 0) return;
  await tx.query(DROP, [toKeyRows(keys)]);
}

export function toKeyRows(keys: readonly (GenerationKey & { epoch?: number })[]): string {
  return JSON.stringify(
    keys.map(({ documentId, generation, epoch }) => ({ document_id: documentId, generation, epoch })),
  );
}
