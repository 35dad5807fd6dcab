import { createRedisBackend, Queue, type RedisQueueBackend } from 'bullmq';
import type { Redis } from 'ioredis';
import type { QuotaWindows } from '../access/quota-windows.ts';
import { AppError } from '../core/errors.ts';
import type { InboxId } from '../core/ids.ts';
import { createLifecycle, type Lifecycle } from '../core/lifecycle.ts';
import type { Logger } from '../core/logger.ts';
import { endsWithin } from '../core/time-limit.ts';
import type { QueueSystem } from '../jobs/queue-system.ts';
import { type BullmqQueue, createBullmqQueue } from './bullmq-queue.ts';
import { BULLMQ_PREFIX, type BullmqStore, WORKER_OPTIONS } from './bullmq-store.ts';
import { createClassQueues } from './class-queues.ts';
import { ManualWorker } from './manual-worker.ts';
import { createRedisQuotaWindows } from './quota-windows.ts';
import { findRedisFaults } from './redis-check.ts';
import { createRedisConnection, waitUntilReady } from './redis-connection.ts';
import { createRedisDoorbell } from './redis-doorbell.ts';
import { createRedisLeases } from './redis-leases.ts';
import { createRedisReplyBus } from './redis-reply-bus.ts';
import { openRedisShortWay } from './redis-short-way.ts';
import { withinStoreLimit } from './store-errors.ts';

interface RedisQueuesOptions {
  url: string;
  inbox: InboxId;
  /** Warn of a Redis that would lose work instead of refusing it. */
  allowUnsafe: boolean;
  logger: Logger;
}

const START_LIMIT_MS = 5_000;
const CLOSE_LIMIT_MS = 1_000;
const PING_LIMIT_MS = 1_000;

/** The queues on Redis. Throws AppError `store_unavailable`, its message for the operator, when that Redis cannot be
 *  reached or would lose work. */
export async function createRedisQueues(options: RedisQueuesOptions): Promise<RedisQueues> {
  const life = createLifecycle();
  const commands = createRedisConnection(options.url, 'commands', options.logger);
  life.defer('Redis connection', () => commands.disconnect());
  try {
    return await openQueues(options, commands, life);
  } catch (error) {
    // BullMQ does not close what it cannot reach.
    await endsWithin(life.close(), CLOSE_LIMIT_MS);
    commands.disconnect();
    if (error instanceof AppError) throw error;
    throw new AppError(
      'store_unavailable',
      `Redis at REDIS_URL cannot be used: ${(error as Error).message}`,
      {
        cause: error,
      },
    );
  }
}

async function openQueues(
  options: RedisQueuesOptions,
  commands: Redis,
  life: Lifecycle,
): Promise<RedisQueues> {
  const { url, inbox, logger } = options;
  await waitUntilReady(commands, START_LIMIT_MS);
  await refuseUnsafe(commands, options);
  const reader = createRedisConnection(url, 'reader', logger);
  const bus = createRedisReplyBus({ inbox, commands, reader });
  life.defer('reply bus', () => bus.close());
  await bus.start();
  const leases = createRedisLeases({ commands, bus });
  life.defer('leases', () => leases.close());

  const store = await createRedisStore(url, commands, logger);
  const queues = createClassQueues((name) =>
    createBullmqQueue({
      name,
      store,
      logger,
    }),
  );
  life.defer('queues', () => queues.close());
  await queues.ready();

  return {
    kind: 'redis',
    bus,
    leases,
    quotas: createRedisQuotaWindows(commands),
    queue: queues.queue,
    runs: queues.runs,
    native: queues.native,
    async ping() {
      await withinStoreLimit(commands.ping(), PING_LIMIT_MS);
    },
    close: () => life.close(),
  };
}

export interface RedisQueues extends QueueSystem {
  quotas: QuotaWindows;
  native(): BullmqQueue['native'][];
}

async function createRedisStore(url: string, commands: Redis, logger: Logger): Promise<BullmqStore> {
  // One backend for all workers, on the connection of the adds: a claim that is sent after an add finds its job. It is
  // ready before it is used: BullMQ never forgets that a first command failed.
  const backend = createRedisBackend('workers', { ...WORKER_OPTIONS, connection: commands });
  backend.on('error', (error) => logger.debug('queue error', { error }));
  await backend.waitUntilReady();
  return {
    openQueue: (name, options) => new Queue(name, { ...options, connection: commands }),
    openWorker: (name) =>
      new ManualWorker(
        name,
        null,
        { ...WORKER_OPTIONS, connection: commands },
        () => backend.forQueue(name, BULLMQ_PREFIX) as RedisQueueBackend,
      ),
    openShortWay: (name) => openRedisShortWay(commands, name),
    openDoorbell: (name) => createRedisDoorbell(createRedisConnection(url, 'reader', logger), commands, name),
  };
}

async function refuseUnsafe(
  commands: Parameters<typeof findRedisFaults>[0],
  { allowUnsafe, logger }: RedisQueuesOptions,
): Promise<void> {
  const faults = await findRedisFaults(commands);
  if (faults.length === 0) return;
  if (allowUnsafe) {
    for (const fault of faults) logger.warn(`Redis is not safe for jobs. ${fault}`);
    return;
  }
  throw new AppError(
    'store_unavailable',
    `This Redis is not safe for jobs:\n${faults.map((fault) => `  - ${fault}`).join('\n')}\nTo start all the same, at the risk of losing work: CITADEL_ALLOW_UNSAFE_REDIS=1`,
  );
}
