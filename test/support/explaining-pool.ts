import type { SqlPool, SqlQueryable } from '../../core/sql-pool.ts';

const STATEMENT = /^\s*(WITH|SELECT|INSERT|UPDATE|DELETE)\b/;

/** The same pool, which notes how the database goes about each statement: its plan by its text, as of the first time. */
export function explaining(pool: SqlPool, plans: Map<string, string>): SqlPool {
  const noting = (source: SqlQueryable): SqlQueryable => ({
    async query(text, params) {
      if (STATEMENT.test(text) && !plans.has(text)) {
        const { rows } = await source.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${text}`, params);
        plans.set(text, rows.map((row) => row['QUERY PLAN']).join('\n'));
      }
      return await source.query(text, params);
    },
  });
  return { ...pool, ...noting(pool), transaction: (work) => pool.transaction((tx) => work(noting(tx))) };
}
