import { type Metrics, SHORT_SECONDS_BUCKETS } from '../core/metrics.ts';
import type { SqlPool, SqlQueryable } from '../core/sql-pool.ts';

/** The same pool, whose statements and transactions are measured; what a queue does on it beside that is not. */
export function createMeasuredPool<Pool extends SqlPool>(pool: Pool, metrics: Metrics): Pool {
  const durations = metrics.histogram({
    name: 'citadel_sql_duration_seconds',
    help: 'Time that a statement or a transaction took in the database, its wait for a connection included.',
    labels: ['store', 'operation', 'outcome'],
    buckets: SHORT_SECONDS_BUCKETS,
  });

  return { ...pool, ...measured(pool), inBackground: () => ({ ...pool, ...measured(pool.inBackground()) }) };

  function measured(source: SqlPool): Pick<SqlPool, 'query' | 'transaction'> {
    return {
      query: <R>(...statement: Parameters<SqlPool['query']>) =>
        measure('query', source.query<R>(...statement)),
      transaction: <T>(work: (tx: SqlQueryable) => Promise<T>) =>
        measure('transaction', source.transaction(work)),
    };
  }

  async function measure<T>(operation: 'query' | 'transaction', work: Promise<T>): Promise<T> {
    const sinceMs = performance.now();
    let outcome = 'error';
    try {
      const result = await work;
      outcome = 'ok';
      return result;
    } finally {
      const seconds = (performance.now() - sinceMs) / 1_000;
      durations.observe({ store: pool.kind, operation, outcome }, seconds);
    }
  }
}
