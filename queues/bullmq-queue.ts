import type { Queue } from 'bullmq';
import type { Logger } from '../core/logger.ts';
import type { JobQueue, JobState } from '../jobs/job-queue.ts';
import { type BullmqConsumer, createBullmqConsumer } from './bullmq-consumer.ts';
import { BULLMQ_PREFIX, type BullmqStore, JOB_NAME, type NewJob, optionsOf } from './bullmq-store.ts';
import { storeUnavailable, withinStoreLimit } from './store-errors.ts';

interface BullmqQueueOptions {
  name: string;
  store: BullmqStore;
  logger: Logger;
}

export interface BullmqQueue extends JobQueue {
  /** BullMQ's own object, for the queue dashboard only. */
  readonly native: Queue;
  /** Resolves when its connection is there and has been used once. Throws `store_unavailable`. */
  ready(): Promise<void>;
  close(): Promise<void>;
}

const STORE_LIMIT_MS = 2_000;
const START_LIMIT_MS = 20_000;

const EVENTS_MAX = 100;

export function createBullmqQueue({ name, store, logger }: BullmqQueueOptions): BullmqQueue {
  const native = store.openQueue(name, {
    prefix: BULLMQ_PREFIX,
    streams: { events: { maxLen: EVENTS_MAX } },
    // Adding while the store is away must fail at once, not wait for it.
    skipWaitingForReady: true,
  });
  native.on('error', (error) => logger.debug('queue error', { queue: name, error }));
  const consumers = new Set<BullmqConsumer>();

  return {
    name,
    native,

    async ready() {
      await withinStoreLimit(
        native.waitUntilReady().then(() => native.getJobCounts('wait')),
        START_LIMIT_MS,
      );
    },

    async add(id, data, tag) {
      await withinStoreLimit(addJob({ id, data, tag, addedAtMs: Date.now() }), STORE_LIMIT_MS);
    },

    async reorder(id, tag) {
      const job = await withinStoreLimit(native.getJob(id), STORE_LIMIT_MS);
      // BullMQ throws for a job that is gone.
      await job?.changePriority({ priority: tag }).catch(() => {});
    },

    async remove(id) {
      const state = await withinStoreLimit(native.getJobState(id), STORE_LIMIT_MS);
      if (state !== 'waiting' && state !== 'prioritized' && state !== 'delayed') return false;
      // A job that was taken meanwhile is locked: its removal throws.
      const removed = await withinStoreLimit(native.remove(id), STORE_LIMIT_MS).catch(() => 0);
      return removed === 1;
    },

    async state(id) {
      return await withinStoreLimit(readState(native, id), STORE_LIMIT_MS);
    },

    async counts() {
      const counts = await withinStoreLimit(
        native.getJobCounts('wait', 'prioritized', 'active', 'delayed', 'failed'),
        STORE_LIMIT_MS,
      );
      const { wait = 0, prioritized = 0, active = 0, delayed = 0, failed = 0 } = counts;
      return { waiting: wait + prioritized, active, delayed, dead: failed };
    },

    async nextAddedAtMs() {
      const [next] = await withinStoreLimit(
        native.getJobs(['prioritized', 'wait'], 0, 0, true),
        STORE_LIMIT_MS,
      );
      return next?.timestamp ?? null;
    },

    async setPaused(isPaused) {
      await withinStoreLimit(isPaused ? native.pause() : native.resume(), STORE_LIMIT_MS);
      if (!isPaused) for (const consumer of consumers) consumer.wake();
    },

    async isPaused() {
      return await withinStoreLimit(native.isPaused(), STORE_LIMIT_MS);
    },

    consume(options) {
      const consumer = createBullmqConsumer({ name, store, logger, ...options });
      consumers.add(consumer);
      return {
        ...consumer,
        async close() {
          consumers.delete(consumer);
          await consumer.close();
        },
      };
    },

    async close() {
      await native.close().catch((error) => {
        throw storeUnavailable(error);
      });
    },
  };

  async function addJob(job: NewJob): Promise<void> {
    if (await findFree()?.take(job)) return;
    const added = native.add(JOB_NAME, job.data, optionsOf(job));
    findFree()?.expect(job.id, added);
    await added;
  }

  /** A consumer of this process for a job that it adds: one that has room, where there is one. */
  function findFree(): BullmqConsumer | undefined {
    let any: BullmqConsumer | undefined;
    for (const consumer of consumers) {
      if (consumer.hasRoom()) return consumer;
      any = consumer;
    }
    return any;
  }
}

async function readState(queue: Queue, id: string): Promise<JobState> {
  const state = await queue.getJobState(id);
  if (state === 'failed') {
    const job = await queue.getJob(id);
    return { status: 'dead', reason: job?.failedReason ?? 'unknown' };
  }
  if (state === 'active' || state === 'completed') return { status: state };
  return { status: state === 'unknown' ? 'missing' : 'waiting' };
}
