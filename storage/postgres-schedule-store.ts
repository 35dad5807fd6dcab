import { z } from 'zod';
import { AppError } from '../core/errors.ts';
import type { RunId, ScheduleId } from '../core/ids.ts';
import type { Json } from '../core/json-value.ts';
import type { SqlPool } from '../core/sql-pool.ts';
import type { Schedule, ScheduleStore, ScheduleTiming } from '../workflows/schedule-store.ts';
import { plainText, reachable } from './run-values.ts';

const ScheduleRow = z
  .object({
    id: z.string().transform((id) => id as ScheduleId),
    key_name: z.string().nullable(),
    weight: z.number(),
    workflow: z.string(),
    input: z.string().transform((text) => JSON.parse(text) as Json),
    cron: z.string().nullable(),
    time_zone: z.string().nullable(),
    every_ms: z.coerce.number().nullable(),
    next_at: z.date().nullable(),
    created_at: z.date(),
    last_fire_at: z.date().nullable(),
    last_run_id: z
      .string()
      .transform((id) => id as RunId)
      .nullable(),
    last_error: z.string().nullable(),
  })
  .transform(
    (row): Schedule => ({
      id: row.id,
      keyName: row.key_name,
      weight: row.weight,
      workflow: row.workflow,
      input: row.input,
      timing: toTiming(row),
      createdAt: row.created_at,
      nextAt: row.next_at,
      lastFireAt: row.last_fire_at,
      lastRunId: row.last_run_id,
      lastError: row.last_error,
    }),
  );

const INSERT = `
  WITH claimed AS (
    INSERT INTO citadel.idempotency_key AS known (owner, key, body_hash, run_id, created_at)
    SELECT coalesce($2, ''), $11, $12, $1, now() WHERE $11::text IS NOT NULL
    ON CONFLICT (owner, key) DO UPDATE
      SET body_hash = EXCLUDED.body_hash, run_id = EXCLUDED.run_id, created_at = EXCLUDED.created_at
      WHERE known.created_at < now() - interval '24 hours'
    RETURNING run_id
  )
  INSERT INTO citadel.schedule
    (id, key_name, weight, workflow, input, cron, time_zone, every_ms, next_at, created_at)
  SELECT $1::text, $2::text, $3::double precision, $4::text, $5::text, $6::text, $7::text, $8::bigint,
    $9::timestamptz, $10::timestamptz
  WHERE $11::text IS NULL OR EXISTS (SELECT FROM claimed)
  RETURNING id`;

const SELECT_CLAIMED = 'SELECT body_hash, run_id FROM citadel.idempotency_key WHERE owner = $1 AND key = $2';

const SELECT_PAGE = `
  SELECT * FROM citadel.schedule
  WHERE ($2::text IS NULL OR (created_at, id) < (SELECT created_at, id FROM citadel.schedule WHERE id = $2))
    AND ($3::boolean OR key_name IS NOT DISTINCT FROM $4)
  ORDER BY created_at DESC, id DESC
  LIMIT $1`;

const SELECT_DUE = `
  SELECT *, now() AS now FROM citadel.schedule WHERE next_at <= now() ORDER BY next_at LIMIT $1`;

const UPDATE_FIRED = `
  UPDATE citadel.schedule SET next_at = $3, last_fire_at = $2, last_run_id = $4, last_error = $5
  WHERE id = $1 AND next_at = $2`;

/** The schedules in Postgres, a server or PGlite. */
export function createPostgresScheduleStore(database: SqlPool): ScheduleStore {
  const pool = reachable(database);

  return {
    async now() {
      const { rows } = await pool.query<{ now: Date }>('SELECT now() AS now');
      return rows[0]?.now ?? new Date();
    },

    async insert(schedule, idempotency) {
      const { keyName, timing } = schedule;
      const cron = 'cron' in timing ? timing : null;
      const claim = idempotency && [plainText(idempotency.key), idempotency.bodyHash];
      const { rows } = await pool.query(INSERT, [
        schedule.id,
        keyName,
        schedule.weight,
        plainText(schedule.workflow),
        JSON.stringify(schedule.input),
        cron?.cron ?? null,
        cron?.timeZone ?? null,
        'everyMs' in timing ? timing.everyMs : null,
        schedule.nextAt,
        schedule.createdAt,
        ...(claim ?? [null, null]),
      ]);
      if (rows.length > 0 || !idempotency) return schedule.id;
      const known = await pool.query<{ body_hash: string; run_id: string }>(SELECT_CLAIMED, [
        keyName ?? '',
        plainText(idempotency.key),
      ]);
      const [first] = known.rows;
      if (first?.body_hash === idempotency.bodyHash) return first.run_id as ScheduleId;
      throw new AppError('idempotency_mismatch', 'This Idempotency-Key came with another request before.');
    },

    async get(id) {
      const { rows } = await pool.query('SELECT * FROM citadel.schedule WHERE id = $1', [plainText(id)]);
      return rows[0] ? ScheduleRow.parse(rows[0]) : null;
    },

    async list({ limit, after = null, keyName }) {
      const params = [limit + 1, after, keyName === undefined, keyName ?? null];
      const { rows } = await pool.query(SELECT_PAGE, params);
      const schedules = rows.slice(0, limit).map((row) => ScheduleRow.parse(row));
      return { schedules, hasMore: rows.length > limit };
    },

    async remove(id) {
      const { rows } = await pool.query('DELETE FROM citadel.schedule WHERE id = $1 RETURNING id', [
        plainText(id),
      ]);
      return rows.length > 0;
    },

    async due(max) {
      const { rows } = await pool.query<{ now: Date }>(SELECT_DUE, [max]);
      const schedules = rows.map((row) => ScheduleRow.parse(row));
      return { schedules, now: rows[0]?.now ?? new Date(0) };
    },

    async fired(id, fireAt, { runId, error, nextAt }) {
      const reason = error === null ? null : plainText(error);
      await pool.query(UPDATE_FIRED, [id, fireAt, nextAt, runId, reason]);
    },
  };
}

function toTiming(row: {
  cron: string | null;
  time_zone: string | null;
  every_ms: number | null;
}): ScheduleTiming {
  if (row.cron !== null) return { cron: row.cron, timeZone: row.time_zone ?? 'UTC' };
  return { everyMs: row.every_ms ?? 0 };
}
