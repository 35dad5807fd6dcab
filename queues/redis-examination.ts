import { Redis } from 'ioredis';
import { findRedisFaults } from './redis-check.ts';

/** What a Redis says of itself. */
export interface RedisExamination {
  version: string;
  /** What would lose work or fail, each with its cure. */
  faults: string[];
  /** Its wall clock (unix ms). */
  clockMs: number;
}

const CONNECT_LIMIT_MS = 3_000;

/** Throws the reason why it cannot be asked. */
export async function examineRedis(url: string): Promise<RedisExamination> {
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: CONNECT_LIMIT_MS,
    commandTimeout: CONNECT_LIMIT_MS,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
  });
  let lastError: Error | undefined;
  redis.on('error', (error: Error) => {
    lastError = error;
  });
  try {
    await redis.connect();
    const [seconds = 0, micros = 0] = (await redis.time()).map(Number);
    const info = await redis.info('server');
    return {
      version: /^redis_version:(.*?)\r?$/m.exec(info)?.[1] ?? 'unknown',
      faults: await findRedisFaults(redis),
      clockMs: seconds * 1000 + micros / 1000,
    };
  } catch (error) {
    throw lastError ?? error;
  } finally {
    redis.disconnect();
  }
}
