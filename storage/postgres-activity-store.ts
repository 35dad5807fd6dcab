import { z } from 'zod';
import type { SqlPool } from '../core/sql-pool.ts';
import type { ActivityStore } from '../dashboards/activity-store.ts';

const RATE_SECONDS = 60;

// Found by when they came (which has an index), counted by when they ended.
const ENDED_AT = "(created_at + total_ms * interval '1 ms')";
const TOKENS = 'coalesce(sum(coalesce(prompt_tokens, 0) + coalesce(completion_tokens, 0)), 0)';
const COUNTS = `count(*) AS requests, count(*) FILTER (WHERE outcome = 'failed') AS failed`;

const RATES = `
  SELECT model_class AS name, ${COUNTS}, ${TOKENS} AS tokens
  FROM citadel.ledger
  WHERE created_at > now() - interval '180 s' AND ${ENDED_AT} > now() - interval '${RATE_SECONDS} s'
  GROUP BY model_class ORDER BY model_class`;

const HISTORY = `
  SELECT floor(extract(epoch FROM ${ENDED_AT}) / 5) * 5 AS at, ${COUNTS}, ${TOKENS} AS tokens
  FROM citadel.ledger
  WHERE created_at > now() - interval '420 s' AND ${ENDED_AT} > now() - interval '300 s'
  GROUP BY 1 ORDER BY 1`;

const SERVERS = `
  WITH recent AS MATERIALIZED (
    SELECT server, outcome, total_ms, model, error_code, created_at
    FROM citadel.ledger
    WHERE created_at > now() - interval '10 min' AND server IS NOT NULL
  ), failures AS (
    SELECT server, model, error_code, created_at,
      row_number() OVER (PARTITION BY server ORDER BY created_at DESC) AS place
    FROM recent WHERE outcome = 'failed'
  )
  SELECT server, ${COUNTS},
    percentile_cont(0.5) WITHIN GROUP (ORDER BY total_ms) FILTER (WHERE outcome = 'succeeded') AS p50,
    percentile_cont(0.99) WITHIN GROUP (ORDER BY total_ms) FILTER (WHERE outcome = 'succeeded') AS p99,
    (
      SELECT coalesce(json_agg(json_build_object('at', created_at, 'model', model, 'code', error_code)
        ORDER BY created_at DESC), '[]')
      FROM failures WHERE failures.server = recent.server AND place <= 3
    ) AS last_failures
  FROM recent GROUP BY server ORDER BY server`;

// The driver gives bigint and numeric as text.
const Count = z.coerce.number();
const RateRow = z.object({ name: z.string(), requests: Count, failed: Count, tokens: Count });
const BucketRow = z.object({ at: Count, requests: Count, failed: Count, tokens: Count });
const ServerRow = z
  .object({
    server: z.string(),
    requests: Count,
    failed: Count,
    p50: z.number().nullable(),
    p99: z.number().nullable(),
    last_failures: z.array(z.object({ at: z.coerce.date(), model: z.string(), code: z.string().nullable() })),
  })
  .transform(({ p50, p99, last_failures, ...row }) => ({
    ...row,
    p50Ms: p50,
    p99Ms: p99,
    lastFailures: last_failures,
  }));

/** Reads the ledger's last minutes. */
export function createPostgresActivityStore(pool: SqlPool): ActivityStore {
  return {
    async rates() {
      const { rows } = await pool.query(RATES);
      return { seconds: RATE_SECONDS, classes: rows.map((row) => RateRow.parse(row)) };
    },
    async history() {
      const { rows } = await pool.query(HISTORY);
      return rows.map((row) => BucketRow.parse(row));
    },
    async servers() {
      const { rows } = await pool.query(SERVERS);
      return rows.map((row) => ServerRow.parse(row));
    },
  };
}
