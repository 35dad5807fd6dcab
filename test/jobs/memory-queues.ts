import { AppError } from '../../core/errors.ts';
import { type InboxId, type JobId, newInboxId } from '../../core/ids.ts';
import { createLocalLeases } from '../../core/local-leases.ts';
import type { JobQueue, JobState } from '../../jobs/job-queue.ts';
import type { QueueSystem } from '../../jobs/queue-system.ts';
import type { BusMessage } from '../../jobs/reply-bus.ts';
import { createLocalReplyBus } from '../../queues/local-reply-bus.ts';

export const STORE_AWAY = new AppError('store_unavailable', 'The store is away.');

/** A queue system in memory that nobody consumes: tests play the worker, over the bus. */
export interface MemoryQueues {
  queues: QueueSystem;
  /** What the store says of each job; of others that they are missing. */
  states: Map<JobId, JobState>;
  /** Every message sent to an inbox, or to all. */
  sent: { to: InboxId | 'all'; message: BusMessage }[];
  /** Makes the store throw on every call. The job of an add may nevertheless be there. */
  setAway(away: boolean): void;
  /** What this process finds in its inbox when it catches up. */
  setUnread(read: () => void): void;
}

export function createMemoryQueues(): MemoryQueues {
  const local = createLocalReplyBus(newInboxId());
  const states: MemoryQueues['states'] = new Map();
  const sent: MemoryQueues['sent'] = [];
  let away = false;
  let readInbox = () => {};

  const queue: JobQueue = {
    name: 'memory',
    async add(id) {
      states.set(id, { status: 'waiting' });
      requireStore();
    },
    reorder: notHere,
    async remove(id) {
      requireStore();
      return states.get(id)?.status === 'waiting' && states.delete(id);
    },
    async state(id) {
      requireStore();
      return states.get(id) ?? { status: 'missing' };
    },
    counts: notHere,
    nextAddedAtMs: notHere,
    setPaused: notHere,
    isPaused: notHere,
    consume: notHere,
  };

  return {
    states,
    sent,
    setAway: (value) => {
      away = value;
    },
    setUnread: (read) => {
      readInbox = read;
    },
    queues: {
      kind: 'redis',
      bus: {
        ...local,
        async send(to, message) {
          sent.push({ to, message });
          return await local.send(to, message);
        },
        async broadcast(message) {
          sent.push({ to: 'all', message });
          await local.broadcast(message);
        },
        caughtUp: async () => readInbox(),
      },
      leases: createLocalLeases(),
      queue: () => queue,
      runs: queue,
      ping: async () => {},
      close: async () => {},
    },
  };

  function requireStore(): void {
    if (away) throw STORE_AWAY;
  }
}

function notHere(): never {
  throw new Error('not part of this fake');
}
