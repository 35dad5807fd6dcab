import { z } from 'zod';
import type { RunId } from '../core/ids.ts';
import type { SqlPool, SqlQueryable } from '../core/sql-pool.ts';
import type { KeptSignal } from '../workflows/run-state.ts';
import type { DueWork, InboxMessage, RunRow, RunSnapshot } from '../workflows/run-store.ts';
import { parseRun, parseStep, RUN_COLUMNS, STEP_COLUMNS } from './run-values.ts';

const SELECT_RUN = `
  SELECT ${RUN_COLUMNS},
    coalesce(deadline_at <= now() AND ended_at IS NULL, false) AS is_late,
    ARRAY(
      SELECT key FROM citadel.step WHERE run_id = run.id AND wake_at <= now() ORDER BY wake_at, position
    ) AS wakes,
    (
      SELECT coalesce(json_agg(json_build_object('key', key, 'attempt', attempt)), '[]')
      FROM citadel.step WHERE run_id = run.id AND status = 'running' AND lease_until < now()
    ) AS lapsed,
    (
      SELECT coalesce(json_agg(json_build_object('id', id, 'event', event) ORDER BY created_at, id), '[]')
      FROM citadel.run_inbox WHERE run_id = run.id
    ) AS inbox,
    (
      SELECT coalesce(json_agg(json_build_object('id', id, 'name', name, 'payload', payload) ORDER BY revision, id), '[]')
      FROM citadel.run_signal WHERE run_id = run.id AND consumed_at IS NULL
    ) AS signals,
    extract(epoch FROM least(
      (SELECT min(wake_at) FROM citadel.step WHERE run_id = run.id AND wake_at > now()),
      CASE WHEN ended_at IS NULL AND deadline_at > now() THEN deadline_at END
    ) - now())::double precision * 1000 AS next_in_ms
  FROM citadel.run WHERE id = $1`;

// By the index that is for this alone (migration 012).
const SELECT_STEPS = `
  SELECT ${STEP_COLUMNS} FROM citadel.step WHERE run_id || '' = $1 AND revision > $2 ORDER BY position`;

const Moment = z.object({
  is_late: z.boolean(),
  wakes: z.array(z.string()),
  lapsed: z.array(z.object({ key: z.string(), attempt: z.number() })),
  inbox: z.array(
    z.object({
      id: z.string(),
      event: z.string().transform((text) => JSON.parse(text) as InboxMessage['event']),
    }),
  ),
  signals: z.array(
    z.object({
      id: z.string(),
      name: z.string(),
      payload: z.string().transform((text) => JSON.parse(text) as KeptSignal['payload']),
    }),
  ),
  next_in_ms: z.number().nullable(),
});

/** The run and what is due of it at one moment, with the steps that changed after the revision `since`. */
export async function readSnapshot(pool: SqlPool, id: RunId, since: number): Promise<RunSnapshot | null> {
  const first = await readRun(pool, id);
  if (first === null || first.row.revision === since) return first && { ...first, steps: [] };
  return await pool.transaction(async (tx) => {
    // Two statements that see the same moment.
    await tx.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ');
    const run = await readRun(tx, id);
    if (!run) return null;
    const { rows } = await tx.query(SELECT_STEPS, [id, since]);
    return { ...run, steps: rows.map(parseStep) };
  });
}

async function readRun(
  db: SqlQueryable,
  id: RunId,
): Promise<{ row: RunRow; signals: KeptSignal[]; due: DueWork } | null> {
  const { rows } = await db.query(SELECT_RUN, [id], { isPrepared: true });
  if (!rows[0]) return null;
  const { is_late: deadline, wakes, lapsed, inbox, signals, next_in_ms: nextInMs } = Moment.parse(rows[0]);
  return { row: parseRun(rows[0]), signals, due: { deadline, wakes, lapsed, inbox, nextInMs } };
}
