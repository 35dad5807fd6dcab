import { QueueKeys } from 'bullmq';
import type { Redis } from 'ioredis';
import { BULLMQ_PREFIX, type Doorbell } from './bullmq-store.ts';

const BLOCK_SECONDS = 4;

/** Waits on `reader`, its own connection, for the marker that BullMQ's scripts set when a queue may hold a job: a sorted
 *  set of one member, scored with the time from which on the job may run (0: now). */
export function createRedisDoorbell(reader: Redis, commands: Redis, queueName: string): Doorbell {
  const marker = new QueueKeys(BULLMQ_PREFIX).toKey(queueName, 'marker');
  return {
    async ring() {
      for (;;) {
        const popped = await reader.bzpopmin(marker, BLOCK_SECONDS);
        if (popped) return Number(popped[2]);
      }
    },
    async press() {
      await commands.zadd(marker, 0, '0');
    },
    close() {
      // A consumer may be closed twice, and ioredis would wait two seconds for the end of what has ended.
      if (reader.status !== 'end') reader.disconnect();
    },
  };
}
