import { describe, expect, test } from '@jest/globals';
import { newInboxId } from '../../core/ids.ts';
import { createLogger } from '../../core/logger.ts';
import { createPostgresQueues } from '../../queues/postgres-queues.ts';
import { createPglitePool } from '../../storage/pglite-pool.ts';
import { queueSystemSuite } from '../conformance/queue-system.suite.ts';

const logger = createLogger({ level: 'silent' });
const openPool = () => createPglitePool({ dataDir: undefined });

describe('the queues on PGlite', () => {
  queueSystemSuite(async () => {
    const pool = await openPool();
    return {
      open: (inbox) => createPostgresQueues({ pool, inbox, logger }),
      close: () => pool.close(),
    };
  });
});

describe('a consumer whose database is gone', () => {
  test('asks again after a pause, and lets everything else run meanwhile', async () => {
    const pool = await openPool();
    const errors: string[] = [];
    const counting = createLogger({
      level: 'debug',
      pretty: false,
      destination: { write: (line) => errors.push(line) },
    });
    const queues = await createPostgresQueues({ pool, inbox: newInboxId(), logger: counting });
    const consumer = queues.queue('lightweight').consume({
      concurrency: 1,
      run: async () => ({ status: 'done' }),
      onDead: () => {},
    });

    await pool.close();
    const startedMs = Date.now();
    await new Promise((resolve) => setTimeout(resolve, 300));

    expect(Date.now() - startedMs).toBeLessThan(2_000);
    expect(errors.length).toBeLessThan(100);
    await consumer.close();
    await queues.close();
  });
});
