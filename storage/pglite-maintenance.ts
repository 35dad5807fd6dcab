// What a server does in the background and PGlite does not: it has no autovacuum and no checkpointer. Without the one
// a queue's tables slow down with every job (claiming one took 1.4 ms at first, 5.4 ms after 12 000 jobs), and statements keep the
// plans that were made for them on empty tables (a step's commit took 1 ms at first, 9 ms with 40 000 runs); without the other
// the write-ahead log grows for ever.
import type { SqlQueryable } from '../core/sql-pool.ts';

const INTERVAL_MS = 5_000;
/** Between two times that all plans are made anew, which costs a millisecond or two for each statement that is then used. */
const REPLAN_MS_MAX = 60_000;
const LOG_BYTES_MAX = 32 * 1024 * 1024;

const FIND_WORK = `
  SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), redo_lsn)::float8 AS log_bytes,
         ARRAY(
           SELECT format('%I.%I', schemaname, relname)
             FROM pg_stat_user_tables
            WHERE n_dead_tup > 500 + n_live_tup * 0.2
            ORDER BY n_dead_tup DESC
            LIMIT 4
         ) AS bloated
    FROM pg_control_checkpoint()`;

interface Work {
  log_bytes: number;
  bloated: string[];
}

export interface Maintenance {
  stop(): void;
}

/** Looks every 5 s for what is to be done, each task some 10 to 60 ms of the database's time. */
export function startMaintenance(
  db: SqlQueryable,
  onError: (error: Error) => void,
  { intervalMs = INTERVAL_MS }: { intervalMs?: number } = {},
): Maintenance {
  let timer: NodeJS.Timeout;
  let stopped = false;
  // Tables grow fastest, by their size, when they are new.
  let replanMs = intervalMs;
  let replannedAtMs = performance.now();

  async function turn(): Promise<void> {
    await Promise.all([maintain(db), replan()]).catch((error: Error) => {
      if (!stopped) onError(error);
    });
    schedule();
  }

  async function replan(): Promise<void> {
    if (performance.now() < replannedAtMs + replanMs) return;
    replannedAtMs = performance.now();
    replanMs = Math.min(replanMs * 2, REPLAN_MS_MAX);
    await db.query('DISCARD PLANS');
  }

  function schedule(): void {
    if (!stopped) timer = setTimeout(turn, intervalMs).unref();
  }

  schedule();
  return {
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

// Frees the space of dead rows, and lets go of log that a restart would no longer need.
async function maintain(db: SqlQueryable): Promise<void> {
  const { rows } = await db.query<Work>(FIND_WORK);
  const [work] = rows;
  if (!work) return;
  for (const table of work.bloated) await db.query(`VACUUM ${table}`);
  if (work.log_bytes > LOG_BYTES_MAX) await db.query('CHECKPOINT');
}
