import { createPgPool } from '../../storage/pg-pool.ts';
import { ingestSuite } from '../conformance/ingest.suite.ts';
import { postgresService, startPostgres } from '../support/postgres.ts';
import { describeWith } from '../support/services.ts';

describeWith(postgresService, 'ingest on a Postgres server', () => {
  ingestSuite(
    async () => {
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
    },
    { hasVectors: false },
  );
});
