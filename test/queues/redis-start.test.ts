import type { AddressInfo } from 'node:net';
import { createServer, connect as openSocket, type Socket } from 'node:net';
import { expect, test } from '@jest/globals';
import { newInboxId } from '../../core/ids.ts';
import { createLogger } from '../../core/logger.ts';
import { createRedisQueues } from '../../queues/redis-queues.ts';
import { isRedisAway } from '../../queues/store-errors.ts';
import { redisService, startRedis } from '../support/redis.ts';
import { describeWith } from '../support/services.ts';

const TEST_LIMIT_MS = 30_000;

/** Hands everything on to the Redis until a command with this name comes: from then on nothing. */
async function startMuteProxy(url: string, command: string) {
  const sockets = new Set<Socket>();
  let isMute = false;
  const server = createServer((client) => {
    const redis = openSocket(Number(new URL(url).port), '127.0.0.1');
    for (const socket of [client, redis]) sockets.add(socket.on('error', () => {}));
    client.on('data', (data) => {
      isMute ||= data.toString('latin1').toLowerCase().includes(command);
      if (!isMute) redis.write(data);
    });
    redis.on('data', (data) => isMute || client.write(data));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describeWith(redisService, 'a Redis that says nothing more in the middle of a start', () => {
  test.each(['xrevrange', 'xadd'])(
    'is away, from %s on',
    async (command) => {
      const redis = await startRedis();
      const proxy = await startMuteProxy(redis.url, command);
      const logger = createLogger({ level: 'silent' });
      try {
        const opening = createRedisQueues({ url: proxy.url, inbox: newInboxId(), allowUnsafe: true, logger });
        const error = await opening.catch((thrown: unknown) => thrown);

        expect(error).toMatchObject({ code: 'store_unavailable' });
        expect(isRedisAway(error)).toBe(true);
      } finally {
        await proxy.stop();
        await redis.stop();
      }
    },
    TEST_LIMIT_MS,
  );
});
