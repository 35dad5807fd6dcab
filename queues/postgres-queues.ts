import { createPostgresBackend, type PgPool, type PgPoolClient, Queue, runMigrations, Worker } from 'bullmq';
import type { InboxId } from '../core/ids.ts';
import { createLifecycle, type Lifecycle } from '../core/lifecycle.ts';
import type { Logger } from '../core/logger.ts';
import type { NodePostgresLike, NodePostgresSource, SqlPool } from '../core/sql-pool.ts';
import type { QueueSystem } from '../jobs/queue-system.ts';
import { type BullmqQueue, createBullmqQueue } from './bullmq-queue.ts';
import type { BullmqStore } from './bullmq-store.ts';
import { createClassQueues } from './class-queues.ts';
import { createLocalReplyBus } from './local-reply-bus.ts';
import { createPatientPool } from './patient-pool.ts';
import { withinStoreLimit } from './store-errors.ts';

interface PostgresQueuesOptions {
  pool: SqlPool & NodePostgresSource;
  inbox: InboxId;
  logger: Logger;
}

export interface PostgresQueues extends QueueSystem {
  native(): BullmqQueue['native'][];
}

// BullMQ's tables have names such as `job` and `event`: they stay in a schema of their own.
const SCHEMA = 'bullmq';
const PING_LIMIT_MS = 1_000;

/** The queues on Postgres, a server or PGlite, for one process: answers do not leave it. */
export async function createPostgresQueues(options: PostgresQueuesOptions): Promise<PostgresQueues> {
  const life = createLifecycle();
  try {
    return await open(options, life);
  } catch (error) {
    await life.close().catch(() => {});
    throw error;
  }
}

async function open(
  { pool, inbox, logger }: PostgresQueuesOptions,
  life: Lifecycle,
): Promise<PostgresQueues> {
  const connection = createPatientPool(pool.asNodePostgres(SCHEMA));
  life.defer('queue connections', () => connection.end());
  await migrate(connection);

  const queues = createClassQueues((name) =>
    createBullmqQueue({
      name,
      store: createPostgresStore(connection),
      logger,
    }),
  );
  life.defer('queues', () => queues.close());
  await queues.ready();

  return {
    kind: pool.kind,
    bus: createLocalReplyBus(inbox),
    queue: queues.queue,
    native: queues.native,
    async ping() {
      await withinStoreLimit(pool.query('SELECT 1'), PING_LIMIT_MS);
    },
    close: () => life.close(),
  };
}

function createPostgresStore(pool: NodePostgresLike): BullmqStore {
  const connection = pool as PgPool;
  return {
    // BullMQ types its objects by their backend; the rest of them is the same on both.
    openQueue: (name, options) =>
      new Queue(name, { ...options, connection } as never, createPostgresBackend) as unknown as Queue,
    openWorker: (name, processor, options) =>
      new Worker(
        name,
        processor,
        { ...options, connection } as never,
        createPostgresBackend,
      ) as unknown as Worker,
  };
}

async function migrate(connection: NodePostgresLike): Promise<void> {
  const client = await connection.connect();
  try {
    await runMigrations(client as PgPoolClient, SCHEMA);
  } finally {
    client.release();
  }
}
