import type { NodePostgresClient, NodePostgresLike, SqlResult, SqlRow } from '../core/sql-pool.ts';

/** A lost connection in the form in which BullMQ knows it. */
const CONNECTION_LOST = 'ECONNREFUSED';
/** Of five characters, as Postgres numbers what it refuses; classes 08, 53 and 57 are about the connection itself. */
const REFUSED_STATEMENT = /^(?!08|53|57)[0-9A-Z]{5}$/;

/**
 * `pool`, whose failures to reach the database look like refused connections. BullMQ's worker waits before it asks
 * again only after an error that it takes for a lost connection; after any other it asks again at once, and from a
 * pool that refuses at once (a closed one) it would do so without ever letting anything else run.
 */
export function createPatientPool(pool: NodePostgresLike): NodePostgresLike {
  // A pool hands the same client out again and again.
  const patient = new WeakSet<NodePostgresClient>();

  async function connect(): Promise<NodePostgresClient> {
    const client = await pool.connect().catch(rethrow);
    if (patient.has(client)) return client;
    patient.add(client);
    const query = client.query.bind(client);
    client.query = (text, params) => query<never>(text, params).catch(rethrow);
    return client;
  }

  return {
    options: pool.options,
    query: <R = SqlRow>(text: string, params?: readonly unknown[]): Promise<SqlResult<R>> =>
      pool.query<R>(text, params).catch(rethrow),
    connect,
    end: () => pool.end(),
    on(event: 'error' | 'connect', listener: (value: never) => void) {
      pool.on(event as 'error', listener as (error: Error) => void);
      return this;
    },
    removeAllListeners(event) {
      pool.removeAllListeners(event);
      return this;
    },
  };
}

function rethrow(error: unknown): never {
  const { code, message } = error as { code?: unknown; message?: string };
  if (typeof code === 'string' && REFUSED_STATEMENT.test(code)) throw error;
  throw Object.assign(new Error(message ?? 'the database is out of reach', { cause: error }), {
    code: CONNECTION_LOST,
  });
}
