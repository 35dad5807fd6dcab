import type { SqlPool } from '../core/sql-pool.ts';
import type { RetentionStore } from '../workflows/retention-store.ts';
import { reachable } from './run-values.ts';

/** A run can have tens of thousands of events: a batch ends with the run that fills it. */
const ROWS_MAX = 20_000;

// A parent goes before its children: until then a retry of it may want them. The rows are locked, so that a run which is
// retried meanwhile either has ended no more or is gone.
const RUNS = `
  WITH old AS (
    SELECT run.id, run.last_seq, run.ended_at FROM citadel.run
    WHERE run.ended_at < now() - $1 * interval '1 day'
      AND NOT EXISTS (SELECT FROM citadel.run AS parent WHERE parent.id = run.parent_id)
      AND NOT EXISTS (SELECT FROM citadel.run AS child WHERE child.parent_id = run.id AND child.ended_at IS NULL)
      AND NOT EXISTS (
        SELECT FROM citadel.idempotency_key AS known
        WHERE known.run_id = run.id AND known.created_at >= now() - interval '24 hours'
      )
      AND NOT EXISTS (SELECT FROM citadel.webhook_outbox AS webhook WHERE webhook.run_id = run.id AND webhook.next_at IS NOT NULL)
      AND NOT EXISTS (SELECT FROM citadel.run_inbox AS inbox WHERE inbox.run_id = run.id)
    ORDER BY run.ended_at, run.id LIMIT $2 FOR UPDATE OF run SKIP LOCKED
  ), sized AS (
    SELECT id, sum(last_seq) OVER (ORDER BY ended_at, id) - last_seq AS rows_before FROM old
  ), gone AS (
    DELETE FROM citadel.run WHERE id IN (SELECT id FROM sized WHERE rows_before < ${ROWS_MAX}) RETURNING id
  ), steps AS (
    DELETE FROM citadel.step WHERE run_id IN (SELECT id FROM gone)
  ), attempts AS (
    DELETE FROM citadel.step_attempt WHERE run_id IN (SELECT id FROM gone)
  ), events AS (
    DELETE FROM citadel.run_event WHERE run_id IN (SELECT id FROM gone)
  ), signals AS (
    DELETE FROM citadel.run_signal WHERE run_id IN (SELECT id FROM gone)
  ), webhooks AS (
    DELETE FROM citadel.webhook_outbox WHERE run_id IN (SELECT id FROM gone)
  ), keys AS (
    DELETE FROM citadel.idempotency_key WHERE run_id IN (SELECT id FROM gone)
  )
  SELECT (SELECT count(*) FROM gone)::integer AS gone, (SELECT count(*) FROM old)::integer AS found`;

// A retry reads when the one before it was.
const EVENTS = `
  WITH old AS (
    SELECT id, last_seq, ended_at FROM citadel.run
    WHERE ended_at < now() - $1 * interval '1 day' AND NOT events_gone
    ORDER BY ended_at, id LIMIT $2 FOR UPDATE SKIP LOCKED
  ), sized AS (
    SELECT id, sum(last_seq) OVER (ORDER BY ended_at, id) - last_seq AS rows_before FROM old
  ), marked AS (
    UPDATE citadel.run SET events_gone = true WHERE id IN (SELECT id FROM sized WHERE rows_before < ${ROWS_MAX})
    RETURNING id
  ), events AS (
    DELETE FROM citadel.run_event WHERE run_id IN (SELECT id FROM marked) AND type <> 'run.retried'
  )
  SELECT (SELECT count(*) FROM marked)::integer AS gone, (SELECT count(*) FROM old)::integer AS found`;

const LEDGER = `
  DELETE FROM citadel.ledger WHERE job_id IN (
    SELECT job_id FROM citadel.ledger WHERE created_at < now() - $1 * interval '1 day' ORDER BY created_at LIMIT $2
    FOR UPDATE SKIP LOCKED
  )`;

// A budget of a month looks back 31 days at most.
const SUMS = `DELETE FROM citadel.token_usage WHERE day < now() - greatest($1, 62) * interval '1 day'`;

const KEYS = `
  DELETE FROM citadel.idempotency_key WHERE (owner, key) IN (
    SELECT owner, key FROM citadel.idempotency_key WHERE created_at < now() - interval '25 hours'
    ORDER BY created_at LIMIT $1 FOR UPDATE SKIP LOCKED
  )`;

const OUTPUTS = `
  DELETE FROM citadel.step_cache WHERE key IN (
    SELECT key FROM citadel.step_cache WHERE expires_at <= now() ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED
  )`;

/** What is old in Postgres, a server or PGlite. */
export function createPostgresRetentionStore(database: SqlPool): RetentionStore {
  const pool = reachable(database);

  return {
    runs: (days, max) => takeRuns(RUNS, days, max),
    events: (days, max) => takeRuns(EVENTS, days, max),
    async ledger(days, max) {
      const { rowCount } = await pool.query(LEDGER, [days, max]);
      await pool.query(SUMS, [days]);
      return rowCount ?? 0;
    },
    async expired(max) {
      const keys = await pool.query(KEYS, [max]);
      const outputs = await pool.query(OUTPUTS, [max]);
      return Math.max(keys.rowCount ?? 0, outputs.rowCount ?? 0);
    },
  };

  /** A batch that was cut short because its runs are large counts as full. */
  async function takeRuns(sql: string, days: number, max: number): Promise<number> {
    const { rows } = await pool.query<{ gone: number; found: number }>(sql, [days, max]);
    const { gone = 0, found = 0 } = rows[0] ?? {};
    return gone < found ? max : gone;
  }
}
