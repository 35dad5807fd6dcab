import type { Socket } from 'node:net';
import { Redis, type RedisOptions } from 'ioredis';
import type { Logger } from '../core/logger.ts';

const RECONNECT_MS_MAX = 1_000;

const COMMON: RedisOptions = {
  connectTimeout: 2_000,
  keepAlive: 5_000,
  retryStrategy: (times) =>
    Math.min(50 * 2 ** Math.min(times - 1, 10), RECONNECT_MS_MAX) + Math.random() * 100,
};

/**
 * - `commands`: an error at once while Redis is away, and after 1.5 s when it does not answer.
 * - `reader`: blocks for up to 4 s, thus without a limit on a command: a link that is silent for longer is dead. Sent
 *   again after a loss, a read reads the same entries.
 */
const ROLES = {
  commands: {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 1,
    commandTimeout: 1_500,
    // A command that was sent may have been carried out: sent again, it would be carried out twice.
    autoResendUnfulfilledCommands: false,
  },
  reader: { maxRetriesPerRequest: null, socketTimeout: 10_000 },
} as const satisfies Record<string, RedisOptions>;

/** A connection for one use. It connects by itself, and again whenever it is lost; the log hears of it once. */
export function createRedisConnection(url: string, role: keyof typeof ROLES, logger: Logger): Redis {
  const redis = new Redis(url, { ...COMMON, ...ROLES[role] });
  redis.on('connect', () => gatherWrites(redis.stream as Socket));
  let lost = false;
  redis.on('error', (error: Error) => {
    if (!lost) logger.warn('Redis is out of reach', { connection: role, error });
    lost = true;
  });
  redis.on('ready', () => {
    if (lost) logger.info('Redis is back', { connection: role });
    lost = false;
  });
  return redis;
}

// ioredis writes each command by itself, and a system call costs more than all of the rest of sending one: what is
// written in one turn of the event loop leaves in one call.
function gatherWrites(socket: Socket): void {
  const write = socket.write.bind(socket) as (...args: unknown[]) => boolean;
  let gathering = false;
  socket.write = (...args: unknown[]) => {
    if (!gathering) {
      gathering = true;
      socket.cork();
      setImmediate(() => {
        gathering = false;
        socket.uncork();
      });
    }
    return write(...args);
  };
}

/** Resolves when `redis` can take commands, or throws after `limitMs`. */
export async function waitUntilReady(redis: Redis, limitMs: number): Promise<void> {
  if (redis.status === 'ready') return;
  await new Promise<void>((resolve, reject) => {
    let lastError: Error | undefined;
    const onReady = () => end(resolve);
    const onError = (error: Error) => {
      lastError = error;
    };
    const timer = setTimeout(() => {
      end(() => reject(lastError ?? new Error(`no connection within ${limitMs} ms`)));
    }, limitMs);
    function end(settle: () => void) {
      clearTimeout(timer);
      redis.off('ready', onReady);
      redis.off('error', onError);
      settle();
    }
    redis.on('ready', onReady);
    redis.on('error', onError);
  });
}
