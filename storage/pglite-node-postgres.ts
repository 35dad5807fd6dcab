// PGlite in the shape of a node-postgres pool, for the queue. PGlite's own adapter breaks with several clients.
import { EventEmitter } from 'node:events';
import type { NodePostgresClient, NodePostgresLike, SqlQueryable, SqlResult } from '../core/sql-pool.ts';
import { decode } from './pg-values.ts';
import { type Exclusive, type ExclusiveDeps, openExclusive } from './pglite-exclusive.ts';
import type { Subscriptions } from './pglite-subscriptions.ts';
import { quoteSearchPath } from './search-path.ts';

const OPENS_TRANSACTION = /^\s*(BEGIN|START\s+TRANSACTION)\b/i;

interface Deps extends ExclusiveDeps {
  query: SqlQueryable['query'];
  subscriptions: Subscriptions;
}

/** Sets the search path of the one session that all share: every other text names its schema. */
export function createPgliteNodePostgres(deps: Deps, searchPath: string): NodePostgresLike {
  const pathSet = deps.query(`SET search_path TO ${quoteSearchPath(searchPath)}`);
  pathSet.catch(() => {});
  // Each queue and worker adds a listener of its own.
  const pool = Object.assign(new EventEmitter().setMaxListeners(0), {
    // There is no socket that could drop unnoticed: the queue need not poll for that.
    options: { keepAlive: true },
    query: deps.query,
    async connect() {
      await pathSet;
      return createClient(deps);
    },
    async end() {},
  });
  return pool;
}

/** A "client" shares the session with all others, and has it alone from its BEGIN to its COMMIT or ROLLBACK. */
function createClient(deps: Deps): NodePostgresClient {
  let exclusive: Exclusive | undefined;
  let last: Promise<unknown> = Promise.resolve();

  async function runNext<R>(text: string, params?: readonly unknown[]): Promise<SqlResult<R>> {
    if (!exclusive && !OPENS_TRANSACTION.test(text)) return deps.query<R>(text, params);
    exclusive ??= await openExclusive(deps);
    const result = await exclusive.run(text, params);
    if (result.status === 'I') endExclusive();
    return decode<R>(result);
  }

  function endExclusive(): void {
    exclusive?.end();
    exclusive = undefined;
  }

  const client = Object.assign(new EventEmitter(), {
    query<R>(text: string, params?: readonly unknown[]): Promise<SqlResult<R>> {
      // One after another, as on a connection of its own.
      const next = last.then(() => runNext<R>(text, params));
      last = next.catch(() => {});
      return next;
    },
    release() {
      endExclusive();
      unsubscribe();
    },
  });
  const unsubscribe = deps.subscriptions.addAll((channel, payload) =>
    client.emit('notification', { channel, payload }),
  );
  return client;
}
