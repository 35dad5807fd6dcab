import pg from 'pg';
import { AppError } from '../core/errors.ts';
import type { NodePostgresSource, SqlPool, SqlQueryable, SqlResult, SqlRow } from '../core/sql-pool.ts';
import { endsWithin } from '../core/time-limit.ts';
import { lockDirectory } from './directory-lock.ts';
import { decode } from './pg-values.ts';
import { preparePgliteDirectory } from './pglite-directory.ts';
import { type ExclusiveDeps, openExclusive } from './pglite-exclusive.ts';
import { startMaintenance } from './pglite-maintenance.ts';
import type { WireResult } from './pglite-messages.ts';
import { createPgliteNodePostgres } from './pglite-node-postgres.ts';
import { openPgliteSession, type SessionEvents } from './pglite-session.ts';
import { createSubscriptions } from './pglite-subscriptions.ts';
import { transactionOver, transactionRolledBack } from './sql-errors.ts';
import { createTurnstile, type TurnOptions } from './turnstile.ts';

const QUERY_LIMIT_MS = 30_000;
const EXEC_LIMIT_MS = 600_000;
const TRANSACTION_LIMIT_MS = 30_000;
const FINISH_LIMIT_MS = 3_000;
// Ending it by force is no worse than a kill, which it survives.
const CLOSE_LIMIT_MS = 1_500;

export interface PglitePool extends SqlPool, NodePostgresSource {
  readonly kind: 'pglite';
}

export interface PglitePoolOptions {
  /** Where the database lives; it is locked against other processes. Without one it is in memory. */
  dataDir: string | undefined;
  /** The database died: everything fails from here on, and the process should end. */
  onFatal?: (error: Error) => void;
  /** Told when vacuum or checkpoint failed; they are tried again. */
  onError?: (error: Error) => void;
  /** How long one transaction may keep everyone else out (30 s). */
  transactionLimitMs?: number;
}

/**
 * Postgres inside this process, in a thread of its own. All callers share one session: while a transaction is open the
 * others wait, so a `query` of the pool inside a transaction's work waits until that transaction's time is up.
 * The first start in a directory creates the database (2.5 to 5 s). Throws `store_unavailable` when the directory is in
 * use or the database cannot be opened.
 */
export async function createPglitePool(options: PglitePoolOptions): Promise<PglitePool> {
  const subscriptions = createSubscriptions();
  const { session, release } = await openLocked(options.dataDir, {
    onNotification: subscriptions.notify,
    onFatal: options.onFatal ?? (() => {}),
  });
  const turnstile = createTurnstile();
  const limitMs = options.transactionLimitMs ?? TRANSACTION_LIMIT_MS;
  const deps: ExclusiveDeps = { session, turnstile, limitMs };
  const maintenance = startMaintenance({ query }, options.onError ?? (() => {}));
  let sessionPath: string | undefined;
  let closing: Promise<void> | undefined;

  async function run(
    text: string,
    params: readonly unknown[] | undefined,
    { limitMs: ms, ...turn }: TurnOptions & { limitMs: number },
  ): Promise<WireResult> {
    requireOpen();
    const result = await turnstile.pass(() => session.run(text, params, ms), turn);
    if (result.status === 'I') return result;
    await session.run('ROLLBACK', undefined, QUERY_LIMIT_MS);
    throw new Error('A transaction was opened by query(); use transaction().');
  }

  async function query<R = SqlRow>(text: string, params?: readonly unknown[]): Promise<SqlResult<R>> {
    return decode<R>(await run(text, params, { limitMs: QUERY_LIMIT_MS }));
  }

  const inBackground: SqlPool['inBackground'] = () => ({
    ...pool,
    query: async <R>(text: string, params?: readonly unknown[]) =>
      decode<R>(await run(text, params, { limitMs: QUERY_LIMIT_MS, isBackground: true })),
    async transaction(work) {
      requireOpen();
      return runTransaction(deps, work, { isBackground: true });
    },
  });

  function requireOpen(): void {
    if (closing) throw new AppError('store_unavailable', 'The embedded database is closed.');
  }

  async function closeAll(): Promise<void> {
    maintenance.stop();
    // Its turn comes when all that was asked before has been sent, and no transaction is open.
    await endsWithin(turnstile.hold({ isBackground: true }), FINISH_LIMIT_MS);
    await session.close(CLOSE_LIMIT_MS);
    await release();
  }

  const pool: PglitePool = {
    kind: 'pglite',
    query,
    inBackground,
    async transaction(work) {
      requireOpen();
      return runTransaction(deps, work);
    },
    async exec(sql) {
      await run(sql, undefined, { limitMs: EXEC_LIMIT_MS });
    },
    async listen(channel, onPayload) {
      await query(`LISTEN ${pg.escapeIdentifier(channel)}`);
      const remove = subscriptions.add(channel, onPayload);
      return async () => {
        if (!remove() || closing) return;
        await query(`UNLISTEN ${pg.escapeIdentifier(channel)}`);
      };
    },
    asNodePostgres(searchPath) {
      sessionPath ??= searchPath;
      if (sessionPath !== searchPath) {
        throw new Error(`The one session of PGlite has the search path ${sessionPath} already.`);
      }
      return createPgliteNodePostgres({ ...deps, query, subscriptions }, searchPath);
    },
    close() {
      closing ??= closeAll();
      return closing;
    },
  };
  return pool;
}

async function openLocked(dataDir: string | undefined, events: SessionEvents) {
  if (dataDir === undefined) {
    return { session: await openPgliteSession(undefined, events), release: async () => {} };
  }
  const lock = await lockDirectory(dataDir);
  try {
    const directory = await preparePgliteDirectory(dataDir);
    return { session: await openPgliteSession(directory, events), release: lock.release };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function runTransaction<T>(
  deps: ExclusiveDeps,
  work: (tx: SqlQueryable) => Promise<T>,
  turn: TurnOptions = {},
): Promise<T> {
  const exclusive = await openExclusive(deps, turn);
  let over = false;
  try {
    await exclusive.run('BEGIN');
    const tx: SqlQueryable = {
      async query<R>(text: string, params?: readonly unknown[]) {
        if (over) throw transactionOver();
        return decode<R>(await exclusive.run(text, params));
      },
    };
    const result = await Promise.race([work(tx), exclusive.expired]);
    over = true;
    const { tag } = await exclusive.run('COMMIT');
    if (tag === 'ROLLBACK') throw transactionRolledBack();
    return result;
  } finally {
    over = true;
    exclusive.end();
  }
}
