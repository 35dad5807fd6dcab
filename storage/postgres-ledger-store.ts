import type { SqlPool } from '../core/sql-pool.ts';
import type { LedgerEntry, LedgerStore } from '../jobs/ledger-store.ts';
import { reachable } from './run-values.ts';

// In the order of the statement below.
const COLUMNS: ((entry: LedgerEntry) => unknown)[] = [
  (entry) => entry.jobId,
  (entry) => entry.requestId,
  (entry) => toText(entry.keyName),
  (entry) => entry.endpoint,
  (entry) => toText(entry.model),
  (entry) => entry.modelClass,
  (entry) => toText(entry.server),
  (entry) => entry.attempts,
  (entry) => entry.queuedMs,
  (entry) => entry.firstTokenMs,
  (entry) => entry.totalMs,
  (entry) => entry.promptTokens,
  (entry) => entry.completionTokens,
  (entry) => entry.chargedTokens,
  (entry) => entry.outcome,
  (entry) => entry.errorCode,
  (entry) => entry.createdAt,
  (entry) => toText(JSON.stringify(entry.tags?.map((tag) => tag.toWellFormed().replaceAll('\0', '')) ?? [])),
  (entry) => entry.isWaited,
];

// The sums are made of the rows that were written: a batch that is sent again adds nothing. They are written in order,
// so that two batches cannot wait for each other.
const INSERT = `
  WITH written AS (
    INSERT INTO citadel.ledger (
      job_id, request_id, key_name, endpoint, model, model_class, server, attempts, queued_ms, first_token_ms,
      total_ms, prompt_tokens, completion_tokens, charged_tokens, outcome, error_code, created_at, tags, is_waited
    )
    SELECT c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13, c14, c15, c16, c17,
      ARRAY(SELECT json_array_elements_text(c18::json)), c19
    FROM unnest(
      $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::integer[],
      $9::double precision[], $10::double precision[], $11::double precision[], $12::bigint[], $13::bigint[],
      $14::bigint[], $15::text[], $16::text[], $17::timestamptz[], $18::text[], $19::boolean[]
    ) AS entry (c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13, c14, c15, c16, c17, c18, c19)
    ON CONFLICT (job_id) DO NOTHING
    RETURNING key_name, (created_at AT TIME ZONE 'UTC')::date AS day, charged_tokens
  )
  INSERT INTO citadel.token_usage AS usage (key_name, day, tokens)
  SELECT key_name, day, sum(charged_tokens)
  FROM written
  WHERE key_name IS NOT NULL AND charged_tokens > 0
  GROUP BY key_name, day
  ORDER BY key_name, day
  ON CONFLICT (key_name, day) DO UPDATE SET tokens = usage.tokens + EXCLUDED.tokens`;

/** The ledger in Postgres. One statement per `append`, made for batches of up to 1000 entries. */
export function createPostgresLedgerStore(database: SqlPool): LedgerStore {
  const pool = reachable(database);

  return {
    async append(entries) {
      if (entries.length === 0) return;
      await pool.query(
        INSERT,
        COLUMNS.map((column) => entries.map(column)),
      );
    },
  };
}

// Postgres refuses NUL in text, and one caller's model name must not cost a whole batch.
function toText(text: string | null): string | null {
  return text === null ? null : text.replaceAll('\0', '');
}
