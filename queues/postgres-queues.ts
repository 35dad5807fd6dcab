import { readFile } from 'node:fs/promises';
import { createPostgresBackend, type PgPool, type PgPoolClient, Queue, runMigrations } from 'bullmq';
import type { QuotaWindows } from '../access/quota-windows.ts';
import type { InboxId } from '../core/ids.ts';
import { createLifecycle, type Lifecycle } from '../core/lifecycle.ts';
import { createLocalLeases } from '../core/local-leases.ts';
import type { Logger } from '../core/logger.ts';
import type { NodePostgresLike, NodePostgresSource, SqlPool } from '../core/sql-pool.ts';
import type { QueueSystem } from '../jobs/queue-system.ts';
import { type BullmqQueue, createBullmqQueue } from './bullmq-queue.ts';
import { type BullmqStore, WORKER_OPTIONS } from './bullmq-store.ts';
import { createClassQueues } from './class-queues.ts';
import { createLocalReplyBus } from './local-reply-bus.ts';
import { ManualWorker } from './manual-worker.ts';
import { openPostgresShortWay } from './postgres-short-way.ts';
import { createLocalQuotaWindows } from './quota-windows.ts';
import { withinStoreLimit } from './store-errors.ts';

interface PostgresQueuesOptions {
  pool: SqlPool & NodePostgresSource;
  inbox: InboxId;
  logger: Logger;
}

export interface PostgresQueues extends QueueSystem {
  quotas: QuotaWindows;
  native(): BullmqQueue['native'][];
}

// BullMQ's tables have names such as `job` and `event`: they stay in a schema of their own.
const SCHEMA = 'bullmq';
const PING_LIMIT_MS = 1_000;
const SHORT_WAYS = new URL('./postgres-short-ways.sql', import.meta.url);

// BullMQ's functions write and announce an event for each step of a job, which takes a third of their time. Nobody here
// reads them: answers come over the reply bus, and jobs are claimed by the process that adds them.
const WITHOUT_EVENTS = `
  CREATE OR REPLACE FUNCTION ${SCHEMA}.publish_event(p_queue text, p_event text, p_data jsonb) RETURNS bigint
  LANGUAGE sql IMMUTABLE AS 'SELECT 0::bigint'`;

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
  const connection = pool.asNodePostgres(SCHEMA);
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
  const leases = createLocalLeases();
  life.defer('leases', () => leases.close());

  return {
    kind: pool.kind,
    quotas: createLocalQuotaWindows(),
    bus: createLocalReplyBus(inbox),
    leases,
    queue: queues.queue,
    runs: queues.runs,
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
    openWorker: (name) =>
      new ManualWorker(
        name,
        null,
        { ...WORKER_OPTIONS, connection } as never,
        (backendName, backendOptions) => createPostgresBackend(backendName, backendOptions as never) as never,
      ),
    openShortWay: (name) => openPostgresShortWay(pool, name),
    // The one process that uses the store knows what it adds.
    openDoorbell: () => null,
  };
}

async function migrate(connection: NodePostgresLike): Promise<void> {
  const client = await connection.connect();
  try {
    await runMigrations(client as PgPoolClient, SCHEMA);
    await client.query(WITHOUT_EVENTS);
    await client.query(await readFile(SHORT_WAYS, 'utf8'));
  } finally {
    client.release();
  }
}
