import { createPgPool } from '../../storage/pg-pool.ts';
import { ingestSuite } from '../conformance/ingest.suite.ts';
import { reindexSuite } from '../conformance/reindex.suite.ts';
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

describeWith(postgresService, 'ingest on a Postgres server', () => {
  ingestSuite(open, { hasVectors: false });
});

describeWith(postgresService, 'another index on a Postgres server', () => {
  reindexSuite(open, { hasVectors: false });
});
