import { createLogger } from '../../core/logger.ts';
import { createPostgresQueues } from '../../queues/postgres-queues.ts';
import { createPgPool } from '../../storage/pg-pool.ts';
import { queueSystemSuite } from '../conformance/queue-system.suite.ts';
import { postgresService, startPostgres } from '../support/postgres.ts';
import { describeWith } from '../support/services.ts';

const logger = createLogger({ level: 'silent' });

describeWith(postgresService, 'the queues on Postgres', () => {
  queueSystemSuite(async () => {
    const postgres = await startPostgres();
    const pool = createPgPool(postgres?.url ?? '');
    return {
      open: (inbox) => createPostgresQueues({ pool, inbox, logger }),
      async close() {
        await pool.close();
        await postgres?.stop();
      },
    };
  });
});
