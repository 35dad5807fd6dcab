import { existsSync, readdirSync } from 'node:fs';
import type { SqlPool, SqlQueryable } from '../../core/sql-pool.ts';
import { postgresService } from './postgres.ts';
import type { Service } from './services.ts';

const DEBIAN = '/usr/share/postgresql';

export const pgvectorService: Service = {
  name: 'pgvector in Postgres',
  isInstalled:
    postgresService.isInstalled &&
    existsSync(DEBIAN) &&
    readdirSync(DEBIAN).some((version) => existsSync(`${DEBIAN}/${version}/extension/vector.control`)),
  install: '.ci/install-pgvector',
};

/** The same database, to which that extension is not to be had, whether it is installed there or not. */
export function withoutPgvector(pool: SqlPool): SqlPool {
  const hiding = (source: SqlQueryable): SqlQueryable => ({
    async query(text, params) {
      if (/CREATE EXTENSION/.test(text)) throw new Error('extension "vector" is not available');
      const others = "(SELECT * FROM pg_available_extensions WHERE name <> 'vector') AS available";
      return await source.query(text.replace(/\bpg_available_extensions\b/, others), params);
    },
  });
  return { ...pool, ...hiding(pool), transaction: (work) => pool.transaction((tx) => work(hiding(tx))) };
}
