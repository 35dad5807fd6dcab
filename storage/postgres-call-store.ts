import { z } from 'zod';
import type { JobId } from '../core/ids.ts';
import { ModelClass } from '../core/schemas/model-class.ts';
import type { SqlPool } from '../core/sql-pool.ts';
import type { CallStore, EndedCall } from '../jobs/call-store.ts';
import { plainText, reachable } from './run-values.ts';

const Tokens = z.coerce.number().nullable();

const CallRow = z
  .object({
    job_id: z.string().transform((id) => id as JobId),
    key_name: z.string().nullable(),
    endpoint: z.string(),
    model: z.string(),
    model_class: ModelClass,
    server: z.string().nullable(),
    attempts: z.number(),
    queued_ms: z.number().nullable(),
    first_token_ms: z.number().nullable(),
    total_ms: z.number(),
    // The driver gives bigint as text.
    prompt_tokens: Tokens,
    completion_tokens: Tokens,
    outcome: z.enum(['succeeded', 'failed', 'cancelled']),
    error_code: z.string().nullable(),
    created_at: z.date(),
  })
  .transform(
    (row): EndedCall => ({
      jobId: row.job_id,
      keyName: row.key_name,
      endpoint: row.endpoint,
      model: row.model,
      modelClass: row.model_class,
      server: row.server,
      attempts: row.attempts,
      queuedMs: row.queued_ms,
      firstTokenMs: row.first_token_ms,
      totalMs: row.total_ms,
      promptTokens: row.prompt_tokens,
      completionTokens: row.completion_tokens,
      outcome: row.outcome,
      errorCode: row.error_code,
      createdAt: row.created_at,
    }),
  );

const COLUMNS = Object.keys(CallRow.in.shape).join(', ');

// A run of the same instant comes first: 'k' is behind every job's id.
const SELECT_PAGE = `
  SELECT ${COLUMNS} FROM citadel.ledger
  WHERE is_waited
    AND ($2::text IS NULL OR (created_at, job_id) < (
      SELECT created_at, job_id FROM citadel.ledger WHERE job_id = $2
      UNION ALL SELECT created_at, 'k' FROM citadel.run WHERE id = $2))
    AND ($3::text IS NULL OR outcome = $3)
    AND ($4::text IS NULL OR endpoint = $4)
    AND ($5::text IS NULL OR model = $5)
    AND ($6::timestamptz IS NULL OR created_at >= $6)
    AND ($7::timestamptz IS NULL OR created_at < $7)
    AND ($8::boolean OR key_name IS NOT DISTINCT FROM $9)
  ORDER BY created_at DESC, job_id DESC
  LIMIT $1`;

const SELECT_ONE = `SELECT ${COLUMNS} FROM citadel.ledger WHERE job_id = $1 AND is_waited`;

/** The ledger in Postgres, a server or PGlite, call by call. */
export function createPostgresCallStore(database: SqlPool): CallStore {
  const pool = reachable(database);
  return {
    async list({ limit, after, outcome, endpoint, model, since, until, keyName }) {
      const { rows } = await pool.query(SELECT_PAGE, [
        ...[limit + 1, after, outcome, endpoint, model === null ? null : plainText(model)],
        ...[since, until, keyName === undefined, keyName ?? null],
      ]);
      return rows.map((row) => CallRow.parse(row));
    },

    async get(id) {
      const { rows } = await pool.query(SELECT_ONE, [id]);
      return rows[0] ? CallRow.parse(rows[0]) : null;
    },
  };
}
