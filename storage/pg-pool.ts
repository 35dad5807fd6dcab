import pg from 'pg';
import type {
  NodePostgresLike,
  NodePostgresSource,
  SqlPool,
  SqlQueryable,
  SqlResult,
} from '../core/sql-pool.ts';
import { endsWithin } from '../core/time-limit.ts';
import { listenOnPg } from './pg-listener.ts';
import { quoteSearchPath } from './search-path.ts';
import { transactionOver, transactionRolledBack } from './sql-errors.ts';

const CONNECT_LIMIT_MS = 2_000;
const QUERY_LIMIT_MS = 10_000;
// The server gives up first, so that its own error arrives and the connection stays good.
const STATEMENT_LIMIT_MS = QUERY_LIMIT_MS - 500;
const IDLE_TRANSACTION_LIMIT_MS = 30_000;
const KEEP_ALIVE_AFTER_MS = 10_000;
const CLOSE_LIMIT_MS = 3_000;
const CONNECTIONS_MAX = 10;
const NODE_POSTGRES_CONNECTIONS_MAX = 20;

export interface PgPool extends SqlPool, NodePostgresSource {
  readonly kind: 'postgres';
}

export interface PgPoolOptions {
  /** Connections at most (10). */
  max?: number;
  /** Schemas for unqualified names, separated by commas. */
  searchPath?: string;
  /** Told of each connection that was lost while idle; the pool replaces it. */
  onError?: (error: Error) => void;
}

/**
 * A pool of connections to the Postgres at `url`. Opens none until the first query. While the server is away each query
 * fails with the driver's error (`isConnectionError`), at once where it refuses and within 2 s where it is silent.
 */
export function createPgPool(url: string, options: PgPoolOptions = {}): PgPool {
  const onError = options.onError ?? (() => {});
  const config = toConfig(url, options.searchPath);
  const main = openPool({ ...config, max: options.max ?? CONNECTIONS_MAX }, onError);
  const opened = [main];
  const listeners = new Set<() => Promise<void>>();
  let closing: Promise<void> | undefined;

  async function closeAll(): Promise<void> {
    await Promise.all([...listeners].map((stop) => stop()));
    await Promise.all(opened.map((one) => one.close()));
  }

  const pool: PgPool = {
    kind: 'postgres',
    inBackground: () => pool,
    query: (text, params, options) => runQuery(main.pool, { text, params, ...options }),
    transaction: (work) => runTransaction(main.pool, work),
    async exec(sql) {
      await main.pool.query(sql);
    },
    async listen(channel, onPayload) {
      const stop = await listenOnPg(config, { channel, onPayload, onError });
      listeners.add(stop);
      return async () => {
        listeners.delete(stop);
        await stop();
      };
    },
    asNodePostgres(searchPath, max = NODE_POSTGRES_CONNECTIONS_MAX) {
      const extra = openPool({ ...toConfig(url, searchPath), max }, onError);
      opened.push(extra);
      return toNodePostgres(extra);
    },
    close() {
      closing ??= closeAll();
      return closing;
    },
  };
  return pool;
}

function toConfig(url: string, searchPath: string | undefined): pg.PoolConfig {
  return {
    connectionString: searchPath === undefined ? url : withSearchPath(url, searchPath),
    connectionTimeoutMillis: CONNECT_LIMIT_MS,
    query_timeout: QUERY_LIMIT_MS,
    statement_timeout: STATEMENT_LIMIT_MS,
    idle_in_transaction_session_timeout: IDLE_TRANSACTION_LIMIT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_AFTER_MS,
    fallback_application_name: 'citadel',
  };
}

// In the URL and not in the config, because options that the URL has already would replace the config's.
function withSearchPath(url: string, searchPath: string): string {
  const target = new URL(url);
  const given = target.searchParams.get('options');
  const ours = `-c search_path=${quoteSearchPath(searchPath).replaceAll(' ', '')}`;
  target.searchParams.set('options', given ? `${given} ${ours}` : ours);
  return target.href;
}

interface OpenPool {
  pool: pg.Pool;
  close(): Promise<void>;
}

function openPool(config: pg.PoolConfig, onError: (error: Error) => void): OpenPool {
  const live = new Set<pg.PoolClient>();
  const pool = new pg.Pool(config);
  const endPool = pool.end.bind(pool);
  pool.on('error', onError);
  pool.on('connect', (client) => {
    live.add(client);
    // A client that is checked out has no listener of the pool's, and an error without one ends the process.
    client.on('error', () => {});
  });
  pool.on('remove', (client) => live.delete(client));

  async function closePool(): Promise<void> {
    await endsWithin(endPool(), CLOSE_LIMIT_MS);
    // Those still checked out: a query that hangs, or a LISTEN that nobody released.
    for (const client of live) client.end().catch(() => {});
  }

  let closing: Promise<void> | undefined;
  return {
    pool,
    close() {
      closing ??= closePool();
      return closing;
    },
  };
}

interface Statement {
  text: string;
  params?: readonly unknown[] | undefined;
  isPrepared?: boolean;
}

async function runQuery<R>(
  target: pg.Pool | pg.PoolClient,
  { text, params, isPrepared }: Statement,
): Promise<SqlResult<R>> {
  const name = isPrepared ? { name: nameOf(text) } : {};
  const values = params === undefined ? {} : { values: [...params] };
  const answer = await target.query({ text, ...values, ...name });
  // Several statements in one text give several results; the last one counts, as on PGlite.
  const result = Array.isArray(answer) ? answer.at(-1) : answer;
  return { rows: result.rows, rowCount: result.rowCount };
}

/** One name for one text: the driver refuses another text under a name that it knows. */
function nameOf(text: string): string {
  let name = names.get(text);
  if (name === undefined) {
    name = `citadel_${names.size + 1}`;
    names.set(text, name);
  }
  return name;
}

const names = new Map<string, string>();

async function runTransaction<T>(pool: pg.Pool, work: (tx: SqlQueryable) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let broken = false;
  let over = false;
  const tx: SqlQueryable = {
    async query(text, params, options) {
      if (over) throw transactionOver();
      return runQuery(client, { text, params, ...options });
    },
  };
  try {
    await client.query('BEGIN');
    const result = await work(tx);
    over = true;
    const { command } = await client.query('COMMIT');
    if (command === 'ROLLBACK') throw transactionRolledBack();
    return result;
  } catch (error) {
    over = true;
    broken = await client.query('ROLLBACK').then(
      () => false,
      () => true,
    );
    throw error;
  } finally {
    client.release(broken);
  }
}

function toNodePostgres({ pool, close }: OpenPool): NodePostgresLike {
  // Each queue and worker adds a listener of its own.
  pool.setMaxListeners(0);
  // What the driver's pool does is what this interface asks; only its overloads keep the types from saying so.
  const target: unknown = Object.assign(pool, { end: close });
  return target as NodePostgresLike;
}
