import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { newInboxId } from '../../core/ids.ts';
import { createLogger } from '../../core/logger.ts';
import { createPostgresQueues } from '../../queues/postgres-queues.ts';
import { openPostgresShortWay } from '../../queues/postgres-short-way.ts';
import { createPglitePool } from '../../storage/pglite-pool.ts';
import { queueSystemSuite } from '../conformance/queue-system.suite.ts';
import { shortWaySuite } from '../conformance/short-way.suite.ts';
import { newDataDirectory } from '../support/pglite-template.ts';
import { waitFor } from '../support/wait-for.ts';

const logger = createLogger({ level: 'silent' });
const directories: string[] = [];

async function openPool() {
  const directory = await newDataDirectory();
  directories.push(directory);
  return createPglitePool({ dataDir: join(directory, 'pglite') });
}

afterAll(async () => {
  await Promise.all(directories.map((directory) => rm(directory, { recursive: true, force: true })));
});

describe('the queues on PGlite', () => {
  queueSystemSuite(async () => {
    const pool = await openPool();
    return {
      open: (inbox) => createPostgresQueues({ pool, inbox, logger }),
      close: () => pool.close(),
    };
  });
});

describe('the short way on PGlite', () => {
  shortWaySuite(async () => {
    const pool = await openPool();
    const system = await createPostgresQueues({ pool, inbox: newInboxId(), logger });
    return {
      system,
      shortWay: openPostgresShortWay(pool, 'lightweight'),
      async close() {
        await system.close();
        await pool.close();
      },
    };
  });
});

// It claims and it listens, and each fails.
const ERRORS_AT_ONCE_MAX = 4;
const PAUSE_MS_MIN = 400;

describe('a consumer whose database is gone', () => {
  test('asks again after a pause, lets everything else run meanwhile, and closed it keeps nothing alive', async () => {
    const pool = await openPool();
    const before = timers();
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
    await waitFor(() => errors.length > ERRORS_AT_ONCE_MAX, 'it asks again');

    expect(Date.now() - startedMs).toBeGreaterThan(PAUSE_MS_MIN);
    await consumer.close();
    await queues.close();
    expect(timers()).toBeLessThanOrEqual(before);
  });
});

/** How many this process would wait for before it ends. */
const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
