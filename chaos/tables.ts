import type { SqlPool } from '../core/sql-pool.ts';

/** A run's row, with what its other rows come to. */
export interface RunRow {
  id: string;
  tag: string | null;
  isChild: boolean;
  status: string;
  output: unknown;
  error: string | null;
  lastSeq: number;
}

export interface Tables {
  runs: RunRow[];
  /** Runs whose events are not numbered from 1 to `last_seq`. */
  gaps: string[];
  /** Steps of which more than one result was recorded, and runs that ended more than once. */
  doubles: string[];
  /** Steps whose result is not that of the attempt which was theirs. */
  foreign: string[];
  /** Steps that go on in runs that have ended. */
  leftovers: string[];
  /** Sleeps that ended before their time. */
  earlySleeps: string[];
  attempts: Record<string, number>;
}

const ENDED = `('succeeded', 'failed', 'cancelled')`;

const RUNS = `
  SELECT id, tags[1] AS tag, parent_id IS NOT NULL AS is_child, status, output, error, last_seq
  FROM citadel.run ORDER BY created_at, id`;

const GAPS = `
  SELECT run.id FROM citadel.run
  LEFT JOIN citadel.run_event AS event ON event.run_id = run.id
  GROUP BY run.id, run.last_seq
  HAVING count(event.seq) <> run.last_seq OR coalesce(max(event.seq), 0) <> run.last_seq`;

// No run of the trial is retried as a whole, so that each step succeeds once at most, and each run ends once.
const DOUBLES = `
  SELECT run_id || ' ' || key || ': ' || count(*) || ' successful attempts' AS what
  FROM citadel.step_attempt WHERE outcome = 'succeeded' GROUP BY run_id, key HAVING count(*) > 1
  UNION ALL
  SELECT run_id || ' ' || coalesce(key, '') || ': ' || count(*) || ' × ' || type
  FROM citadel.run_event WHERE type IN ('step.succeeded', 'run.started') OR type LIKE 'emitted'
  GROUP BY run_id, key, type HAVING count(*) > 1
  UNION ALL
  SELECT run_id || ': ended ' || count(*) || ' times'
  FROM citadel.run_event WHERE type IN ('run.succeeded', 'run.failed', 'run.cancelled')
  GROUP BY run_id HAVING count(*) > 1`;

const FOREIGN = `
  SELECT run_id || ' ' || key || ': attempt ' || attempt || ' has not succeeded' AS what
  FROM citadel.step
  WHERE status = 'succeeded'
    AND EXISTS (
      SELECT FROM citadel.step_attempt AS own WHERE own.run_id = step.run_id AND own.key = step.key
    )
    AND NOT EXISTS (
      SELECT FROM citadel.step_attempt AS own
      WHERE own.run_id = step.run_id AND own.key = step.key AND own.attempt = step.attempt
        AND own.outcome = 'succeeded'
    )`;

const LEFTOVERS = `
  SELECT run.id || ' ' || step.key || ' is ' || step.status AS what
  FROM citadel.run JOIN citadel.step ON step.run_id = run.id
  WHERE run.status IN ${ENDED} AND step.status IN ('ready', 'running', 'waiting')`;

const SLEEPS = `
  SELECT run.definition_hash, step.run_id, step.key, step.path,
    extract(epoch FROM step.ended_at - step.started_at) * 1000 AS slept_ms
  FROM citadel.step JOIN citadel.run ON run.id = step.run_id
  WHERE step.status = 'succeeded' AND EXISTS (
    SELECT FROM citadel.run_event AS event
    WHERE event.run_id = step.run_id AND event.key = step.key AND event.data LIKE '%"for":"time"%'
  )`;

const ATTEMPTS = `SELECT outcome, count(*) AS count FROM citadel.step_attempt GROUP BY outcome`;

/** `sleepMsOf`: how long a step had to sleep. */
export async function readTables(
  pool: Pick<SqlPool, 'query'>,
  sleepMsOf: (tag: string, stepId: string) => number | null,
): Promise<Tables> {
  const runs = await pool.query<{
    id: string;
    tag: string | null;
    is_child: boolean;
    status: string;
    output: string | null;
    error: string | null;
    last_seq: string;
  }>(RUNS);
  const tags = new Map(runs.rows.map(({ id, tag }) => [id, tag ?? '']));
  const sleeps = await pool.query<{ run_id: string; key: string; slept_ms: string }>(SLEEPS);
  const attempts = await pool.query<{ outcome: string; count: string }>(ATTEMPTS);
  return {
    runs: runs.rows.map(({ id, tag, is_child, status, output, error, last_seq }) => ({
      id,
      tag,
      isChild: is_child,
      status,
      output: output === null ? null : JSON.parse(output),
      error,
      lastSeq: Number(last_seq),
    })),
    gaps: (await pool.query<{ id: string }>(GAPS)).rows.map(({ id }) => id),
    doubles: await texts(pool, DOUBLES),
    foreign: await texts(pool, FOREIGN),
    leftovers: await texts(pool, LEFTOVERS),
    earlySleeps: sleeps.rows
      .filter(({ run_id, key, slept_ms }) => {
        const dueMs = sleepMsOf(tags.get(run_id) ?? '', key.slice(key.lastIndexOf('/') + 1));
        return dueMs !== null && Number(slept_ms) < dueMs;
      })
      .map(({ run_id, key, slept_ms }) => `${run_id} ${key} slept ${slept_ms} ms`),
    attempts: Object.fromEntries(attempts.rows.map(({ outcome, count }) => [outcome, Number(count)])),
  };
}

async function texts(pool: Pick<SqlPool, 'query'>, sql: string): Promise<string[]> {
  return (await pool.query<{ what: string }>(sql)).rows.map(({ what }) => what);
}

const STUCK_RUNS = `
  SELECT * FROM citadel.run WHERE status NOT IN ${ENDED} ORDER BY created_at LIMIT 5`;
const STUCK_STEPS = `
  SELECT step.run_id, key, status, attempt, failures, lapses, waits, worker, lease_until, wake_at, child_run_id, changed_at,
    now() AS now
  FROM citadel.step WHERE run_id = ANY ($1) AND status NOT IN ('succeeded', 'skipped') ORDER BY run_id, position`;
const STUCK_EVENTS = `
  SELECT run_id, seq, type, key, data, at FROM citadel.run_event WHERE run_id = ANY ($1)
  ORDER BY run_id, seq DESC LIMIT 40`;
const STUCK_INBOX = `SELECT * FROM citadel.run_inbox WHERE run_id = ANY ($1) LIMIT 20`;

/** The rows of what has not ended, for who looks into it. */
export async function dumpStuck(pool: Pick<SqlPool, 'query'>): Promise<string> {
  const { rows: runs } = await pool.query<{ id: string }>(STUCK_RUNS);
  const ids = [runs.map(({ id }) => id)];
  const parts: unknown[] = [...runs];
  for (const sql of [STUCK_STEPS, STUCK_EVENTS, STUCK_INBOX]) {
    const { rows } = await pool.query<object>(sql, ids);
    parts.push(...rows);
  }
  return parts.map((row) => JSON.stringify(row)).join('\n');
}
