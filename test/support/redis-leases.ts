import { newInboxId } from '../../core/ids.ts';
import type { Leases } from '../../core/leases.ts';
import { createLogger } from '../../core/logger.ts';
import { createRedisConnection, waitUntilReady } from '../../queues/redis-connection.ts';
import { createRedisLeases } from '../../queues/redis-leases.ts';
import { createRedisReplyBus } from '../../queues/redis-reply-bus.ts';

/** The leases of one process, as its queue system opens them. */
export async function openRedisLeases(url: string): Promise<Leases> {
  const logger = createLogger({ level: 'silent' });
  const commands = createRedisConnection(url, 'commands', logger);
  const reader = createRedisConnection(url, 'reader', logger);
  await Promise.all([waitUntilReady(commands, 20_000), waitUntilReady(reader, 20_000)]);
  const bus = createRedisReplyBus({ inbox: newInboxId(), commands, reader });
  await bus.start();
  const leases = createRedisLeases({ commands, bus });
  return {
    ...leases,
    async close() {
      await leases.close();
      await bus.close();
      commands.disconnect();
    },
  };
}
