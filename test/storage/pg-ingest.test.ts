import { createPgPool } from '../../storage/pg-pool.ts';
import { ingestSuite } from '../conformance/ingest.suite.ts';
import { reindexSuite } from '../conformance/reindex.suite.ts';
import { pgvectorService, withoutPgvector } from '../support/pgvector.ts';
import { postgresService, startPostgres } from '../support/postgres.ts';
import { describeWith } from '../support/services.ts';

async function open() {
  const postgres = await startPostgres();
  if (!postgres) throw new Error('Postgres is not installed');
  const pool = createPgPool(postgres.url);
  return {
    pool,
    async close() {
      await pool.close();
      await postgres.stop();
    },
  };
}

async function openWithoutPgvector() {
  const { pool, close } = await open();
  return { pool: withoutPgvector(pool), close };
}

describeWith(pgvectorService, 'ingest on a Postgres server with pgvector', () => {
  ingestSuite(open, { hasVectors: true });
});

describeWith(pgvectorService, 'another index on a Postgres server with pgvector', () => {
  reindexSuite(open, { hasVectors: true });
});

describeWith(postgresService, 'ingest on a Postgres server without pgvector', () => {
  ingestSuite(openWithoutPgvector, { hasVectors: false });
});

describeWith(postgresService, 'another index on a Postgres server without pgvector', () => {
  reindexSuite(openWithoutPgvector, { hasVectors: false });
});
