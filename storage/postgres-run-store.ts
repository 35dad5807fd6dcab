import { z } from 'zod';
import type { RunId } from '../core/ids.ts';
import type { Json } from '../core/json-value.ts';
import type { SqlPool } from '../core/sql-pool.ts';
import type { AttemptOutcome, AttemptRecord, RunEvent } from '../workflows/run-record.ts';
import type { RunStatus, StepError } from '../workflows/run-state.ts';
import type { RunStore } from '../workflows/run-store.ts';
import type { RunQuery } from '../workflows/runs.ts';
import { commitRuns } from './run-commit.ts';
import { admitRuns, heartbeat, lapseAll, takeDue } from './run-due.ts';
import { readSnapshot } from './run-snapshot.ts';
import {
  parseRun,
  parseStepRecord,
  parseSummary,
  plainText,
  RUN_COLUMNS,
  reachable,
  STEP_RECORD_COLUMNS,
  SUMMARY_COLUMNS,
} from './run-values.ts';

const SELECT_SUMMARY = `SELECT ${SUMMARY_COLUMNS} FROM citadel.run WHERE id = $1`;
const SELECT_RUN = `SELECT ${RUN_COLUMNS} FROM citadel.run WHERE id = $1`;
const SELECT_STEPS = `SELECT ${STEP_RECORD_COLUMNS} FROM citadel.step WHERE run_id = $1 ORDER BY position`;

const COUNT_FAMILY = 'SELECT count(*)::integer AS count FROM citadel.run WHERE root_id = $1';

const SELECT_RESULT = `
  SELECT id, status, ended_at IS NOT NULL AS ended, output, error FROM citadel.run WHERE id = $1`;

// Jobs are listed among calls (storage/postgres-call-store), which come after a run of the same instant.
const SELECT_PAGE = `
  SELECT ${SUMMARY_COLUMNS} FROM citadel.run
  WHERE kind = $1
    AND ($3::text IS NULL OR (created_at, id) < (
      SELECT created_at, id FROM citadel.run WHERE id = $3
      UNION ALL SELECT created_at, '' FROM citadel.ledger WHERE job_id = $3))
    AND ($4::text[] IS NULL OR status = ANY($4))
    AND ($5::text IS NULL OR workflow = $5)
    AND ($6::text IS NULL OR tags @> ARRAY[$6])
    AND ($7::timestamptz IS NULL OR created_at >= $7)
    AND ($8::boolean OR key_name IS NOT DISTINCT FROM $9)
    AND ($10::timestamptz IS NULL OR created_at < $10)
    AND ($11::text[] IS NULL OR EXISTS (SELECT FROM unnest($11) AS beginning WHERE starts_with(metadata, beginning)))
  ORDER BY created_at DESC, id DESC
  LIMIT $2`;

const SELECT_EVENTS = `
  SELECT seq, type, key, data, at FROM citadel.run_event WHERE run_id = $1 AND seq > $2 ORDER BY seq LIMIT $3`;

// Those that have ended, and those that run.
const SELECT_ATTEMPTS = `
  SELECT key, attempt, outcome, error, tokens, facts, started_at, ended_at
  FROM citadel.step_attempt WHERE run_id = $1
  UNION ALL
  SELECT key, attempt, NULL, NULL, 0, 'null', attempt_started_at, NULL
  FROM citadel.step WHERE run_id = $1 AND status = 'running'
  ORDER BY started_at, key, attempt`;

const SELECT_IDEMPOTENT = `
  SELECT run_id, body_hash FROM citadel.idempotency_key
  WHERE owner = $1 AND key = $2 AND created_at >= now() - interval '24 hours'`;

const SELECT_CACHED = 'SELECT output FROM citadel.step_cache WHERE key = $1 AND expires_at > now()';

// Whoever adds one takes away some that have expired.
const CACHE = `
  WITH expired AS (
    DELETE FROM citadel.step_cache WHERE key IN (
      SELECT key FROM citadel.step_cache WHERE expires_at <= now() AND key <> $1 ORDER BY expires_at LIMIT 10
      FOR UPDATE SKIP LOCKED
    )
  )
  INSERT INTO citadel.step_cache (key, output, expires_at)
  VALUES ($1, $2, now() + $3::double precision * interval '1 ms')
  ON CONFLICT (key) DO UPDATE SET output = EXCLUDED.output, expires_at = EXCLUDED.expires_at`;

/** What is asked so often that its planning counts. */
const PREPARED = { isPrepared: true };

const JsonText = z.string().transform((text) => JSON.parse(text) as Json);

const ResultRow = z
  .object({
    id: z.string().transform((id) => id as RunId),
    status: z.string().transform((status) => status as RunStatus),
    ended: z.boolean(),
    output: z.string().nullable(),
    error: z
      .string()
      .transform((text) => JSON.parse(text) as StepError)
      .nullable(),
  })
  .transform(({ output, ...row }) => ({
    ...row,
    output: output === null ? undefined : (JSON.parse(output) as Json),
  }));

const EventRow = z.object({
  seq: z.coerce.number(),
  type: z.string(),
  key: z.string().nullable(),
  data: JsonText,
  at: z.date(),
});

const AttemptRow = z
  .object({
    key: z.string(),
    attempt: z.number(),
    outcome: z
      .string()
      .transform((outcome) => outcome as AttemptOutcome)
      .nullable(),
    error: z
      .string()
      .transform((text) => JSON.parse(text) as StepError)
      .nullable(),
    tokens: z.coerce.number(),
    facts: JsonText,
    started_at: z.date(),
    ended_at: z.date().nullable(),
  })
  .transform(
    ({ started_at: startedAt, ended_at: endedAt, ...row }): AttemptRecord => ({ ...row, startedAt, endedAt }),
  );

/** The runs in Postgres, a server or PGlite. */
export function createPostgresRunStore(database: SqlPool): RunStore {
  const pool = reachable(database);

  return {
    commit: (changes) => commitRuns(pool, changes),
    read: (id, since) => readSnapshot(pool, id, since),
    heartbeat: (worker, held) => heartbeat(pool, worker, held),
    takeDue: (max, { withReady }) => takeDue(pool, max, withReady),
    lapseAll: () => lapseAll(pool),
    admit: () => admitRuns(pool),

    async familySize(rootId) {
      const { rows } = await pool.query<{ count: number }>(COUNT_FAMILY, [rootId], PREPARED);
      return rows[0]?.count ?? 0;
    },

    async summary(id) {
      const { rows } = await pool.query(SELECT_SUMMARY, [id], PREPARED);
      return rows[0] ? parseSummary(rows[0]) : null;
    },

    async result(id) {
      const { rows } = await pool.query(SELECT_RESULT, [id], PREPARED);
      return rows[0] ? ResultRow.parse(rows[0]) : null;
    },

    async record(id) {
      const { rows } = await pool.query(SELECT_RUN, [id]);
      if (!rows[0]) return null;
      const steps = await pool.query(SELECT_STEPS, [id]);
      const { summary, inputText, output } = parseRun(rows[0]);
      return { ...summary, input: JSON.parse(inputText), output, steps: steps.rows.map(parseStepRecord) };
    },

    async list(query) {
      const { rows } = await pool.query(SELECT_PAGE, pageParams(query));
      return { runs: rows.slice(0, query.limit).map(parseSummary), hasMore: rows.length > query.limit };
    },

    async events(id, afterSeq, max): Promise<RunEvent[]> {
      const { rows } = await pool.query(SELECT_EVENTS, [id, afterSeq, max], PREPARED);
      return rows.map((row) => EventRow.parse(row));
    },

    async attempts(id) {
      const { rows } = await pool.query(SELECT_ATTEMPTS, [id]);
      return rows.map((row) => AttemptRow.parse(row));
    },

    async cached(key) {
      const { rows } = await pool.query<{ output: string }>(SELECT_CACHED, [key]);
      return rows[0] && (JSON.parse(rows[0].output) as Json);
    },

    async cache(key, output, ttlMs) {
      await pool.query(CACHE, [key, JSON.stringify(output), ttlMs]);
    },

    async idempotent({ owner, key }) {
      const { rows } = await pool.query<{ run_id: string; body_hash: string }>(
        SELECT_IDEMPOTENT,
        [plainText(owner), plainText(key)],
        PREPARED,
      );
      return rows[0] ? { runId: rows[0].run_id as RunId, bodyHash: rows[0].body_hash } : null;
    },
  };
}

function pageParams(query: RunQuery): unknown[] {
  const { kind, limit, after = null, statuses = null, workflow = null, tag = null, since = null } = query;
  const texts = [workflow, tag].map((text) => (text === null ? null : plainText(text)));
  return [
    kind,
    limit + 1,
    after,
    statuses,
    ...texts,
    since,
    query.keyName === undefined,
    query.keyName ?? null,
    query.until ?? null,
    query.metadataBegins?.map(plainText) ?? null,
  ];
}
