import { createHash } from 'node:crypto';
import type { RunId } from '../core/ids.ts';
import type { SqlPool } from '../core/sql-pool.ts';
import type { HeldStep } from '../workflows/run-store.ts';
import { withoutDeadlock } from './run-commit.ts';
import { LEASE_SECONDS } from './run-commit-sql.ts';

const HEARTBEAT = `
  WITH held AS (
    SELECT * FROM json_to_recordset($2::json) AS held (run_id text, key text, attempt integer)
  ), kept AS (
    UPDATE citadel.step SET lease_until = now() + interval '${LEASE_SECONDS} s'
    FROM held
    WHERE step.run_id = held.run_id AND step.key = held.key AND step.attempt = held.attempt
      AND step.status = 'running' AND step.worker = $1
    RETURNING step.run_id, step.key
  )
  SELECT held.* FROM held LEFT JOIN kept USING (run_id, key) WHERE kept.run_id IS NULL`;

// What was written less than a second ago, its writer is about to see to itself.
const TAKE_DUE = `
  WITH due AS (
    SELECT step.run_id AS id FROM citadel.step JOIN citadel.run ON run.id = step.run_id
    WHERE $2 AND step.status = 'ready' AND changed_at < now() - interval '1 s' AND run.status <> 'paused'
    UNION SELECT run_id FROM citadel.step WHERE status = 'running' AND lease_until < now()
    UNION SELECT run_id FROM citadel.step WHERE wake_at <= now()
    UNION SELECT id FROM citadel.run WHERE deadline_at <= now() AND ended_at IS NULL
    UNION SELECT run_id FROM citadel.run_inbox WHERE created_at < now() - interval '1 s'
  ), mine AS (
    SELECT run.id FROM citadel.run JOIN due USING (id)
    WHERE run.relay_until IS NULL OR run.relay_until < now()
    LIMIT $1 FOR UPDATE OF run SKIP LOCKED
  )
  UPDATE citadel.run SET relay_until = now() + interval '3 s' FROM mine WHERE run.id = mine.id RETURNING run.id`;

const LOCK_ADMISSION = 'SELECT pg_advisory_xact_lock($1)';
const ADMISSION_KEY = createHash('sha256').update('citadel.run admission').digest().readInt32BE(0);

const ADMIT = `
  WITH open AS (
    SELECT id, concurrency_key, concurrency_limit, created_at,
      started_at IS NOT NULL OR EXISTS (SELECT FROM citadel.run_inbox WHERE run_id = run.id) AS is_in
    FROM citadel.run WHERE concurrency_key IS NOT NULL AND ended_at IS NULL
  ), busy AS (
    SELECT concurrency_key, count(*) AS count FROM open WHERE is_in GROUP BY concurrency_key
  ), line AS (
    SELECT id, concurrency_key, concurrency_limit,
      row_number() OVER (PARTITION BY concurrency_key ORDER BY created_at, id) AS place
    FROM open WHERE NOT is_in
  )
  INSERT INTO citadel.run_inbox (id, run_id, event, created_at)
  SELECT 'start_' || id, id, '{"type":"start"}', now()
  FROM line LEFT JOIN busy USING (concurrency_key)
  WHERE place <= concurrency_limit - coalesce(count, 0)
  ON CONFLICT (id) DO NOTHING
  RETURNING run_id`;

/** Extends `worker`'s leases of `held`; gives those that are not its own any more. */
export async function heartbeat(
  pool: SqlPool,
  worker: string,
  held: readonly HeldStep[],
): Promise<HeldStep[]> {
  if (held.length === 0) return [];
  const rows = held.map(({ runId, key, attempt }) => ({ run_id: runId, key, attempt }));
  const result = await withoutDeadlock(() =>
    pool.query<{ run_id: string; key: string; attempt: number }>(HEARTBEAT, [worker, JSON.stringify(rows)]),
  );
  return result.rows.map((row) => ({ runId: row.run_id as RunId, key: row.key, attempt: row.attempt }));
}

const LAPSE_ALL = `
  WITH freed AS (UPDATE citadel.run SET relay_until = NULL WHERE relay_until IS NOT NULL)
  UPDATE citadel.step SET lease_until = now() - interval '1 s' WHERE status = 'running'`;

export async function lapseAll(pool: SqlPool): Promise<void> {
  await pool.query(LAPSE_ALL);
}

/** Up to `max` runs with something due, which no other relay is given for some seconds. */
export async function takeDue(pool: SqlPool, max: number, withReady: boolean): Promise<RunId[]> {
  const { rows } = await pool.query<{ id: string }>(TAKE_DUE, [max, withReady], { isPrepared: true });
  return rows.map(({ id }) => id as RunId);
}

/** Lets runs begin that wait for others of their concurrency key, the oldest first. */
export async function admitRuns(pool: SqlPool): Promise<RunId[]> {
  // Asked each second, and mostly for nothing: then without a transaction.
  const { rows: keyed } = await pool.query(
    'SELECT 1 FROM citadel.run WHERE concurrency_key IS NOT NULL AND ended_at IS NULL LIMIT 1',
  );
  if (keyed.length === 0) return [];
  return await pool.transaction(async (tx) => {
    await tx.query(LOCK_ADMISSION, [ADMISSION_KEY]);
    const { rows } = await tx.query<{ run_id: string }>(ADMIT);
    return rows.map(({ run_id: id }) => id as RunId);
  });
}
