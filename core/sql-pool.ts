/** A row as the database driver gives it; parse it (zod) where it leaves storage. */
export type SqlRow = Record<string, unknown>;

export interface SqlResult<R = SqlRow> {
  rows: R[];
  rowCount?: number | null;
}

export interface SqlQueryable {
  /** Runs one statement with `$1…` parameters. Throws the driver's error, with its SQLSTATE in `code`. */
  query<R = SqlRow>(
    text: string,
    params?: readonly unknown[],
    options?: StatementOptions,
  ): Promise<SqlResult<R>>;
}

interface StatementOptions {
  /** Whether a server plans it once per connection, and not each time: for a large one that is run often. */
  isPrepared?: boolean;
}

/**
 * Postgres as the rest of Citadel sees it: a server behind `pg`, or PGlite in a thread of this process.
 * On PGlite every caller shares one session: no session advisory locks, and transactions only by `transaction`.
 */
export interface SqlPool extends SqlQueryable {
  readonly kind: 'postgres' | 'pglite';
  /** Runs `work` in one transaction: committed when it resolves, rolled back when it throws. */
  transaction<T>(work: (tx: SqlQueryable) => Promise<T>): Promise<T>;
  /** The same database for work that nobody waits for. Where all share one session (PGlite), others' statements go first; on a
   *  server it is the same pool. */
  inBackground(): SqlPool;
  /** Runs several statements without parameters (a migration file). */
  exec(sql: string): Promise<void>;
  /** Calls `onPayload` for each NOTIFY on `channel`. Resolves, once listening, with the function that ends it. */
  listen(channel: string, onPayload: (payload: string) => void): Promise<() => Promise<void>>;
  close(): Promise<void>;
}

/** A NOTIFY as node-postgres reports it. */
interface SqlNotification {
  channel: string;
  payload?: string;
  processId?: number;
}

/** One session checked out of a `NodePostgresLike`. */
export interface NodePostgresClient extends SqlQueryable {
  on(event: 'notification', listener: (message: SqlNotification) => void): this;
  on(event: 'error', listener: (error: Error) => void): this;
  on(event: 'end', listener: () => void): this;
  removeListener(event: 'notification', listener: (message: SqlNotification) => void): this;
  removeAllListeners(event?: string): this;
  release(destroy?: boolean): void;
}

/** The part of a node-postgres pool that a queue on Postgres needs. */
export interface NodePostgresLike extends SqlQueryable {
  readonly options?: { keepAlive?: boolean };
  connect(): Promise<NodePostgresClient>;
  end(): Promise<void>;
  on(event: 'error', listener: (error: Error) => void): this;
  on(event: 'connect', listener: (client: NodePostgresClient) => void): this;
  removeAllListeners(event?: string): this;
}

export interface NodePostgresSource {
  /**
   * A pool whose statements find unqualified names in the schema `searchPath`. It ends with the pool it came from.
   * `max` bounds its connections: a queue keeps one per worker for LISTEN, and needs a few besides (default 20).
   */
  asNodePostgres(searchPath: string, max?: number): NodePostgresLike;
}
