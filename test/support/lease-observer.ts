import type { Redis } from 'ioredis';
import { createLogger } from '../../core/logger.ts';
import { createRedisConnection, waitUntilReady } from '../../queues/redis-connection.ts';

/** Counts, apart from the leases, who uses how many units now. */
export interface LeaseObserver {
  /** `holder` uses `by` units more. */
  add(holder: string, by: 1 | -1): Promise<void>;
  /** All that is in use now. */
  total(): Promise<number>;
  byHolder(): Promise<Record<string, number>>;
  /** The most that was ever in use at once. */
  max(): Promise<number>;
  /** `holder` is dead: what it used is used no more. */
  forget(holder: string): Promise<void>;
  resetMax(): Promise<void>;
  /** Names of which Redis knows a block. */
  names(): Promise<string[]>;
  close(): void;
}

const USED = 'test:used';
const MAX = 'test:max';
const ADD = `
redis.call('HINCRBY', KEYS[1], ARGV[1], ARGV[2])
local total = 0
for _, used in ipairs(redis.call('HVALS', KEYS[1])) do total = total + used end
if total > tonumber(redis.call('GET', KEYS[2]) or 0) then redis.call('SET', KEYS[2], total) end`;

export async function createLeaseObserver(url: string): Promise<LeaseObserver> {
  // Without a limit on a command: a holder that was frozen in the middle of one goes on.
  const redis: Redis = createRedisConnection(url, 'reader', createLogger({ level: 'silent' }));
  await waitUntilReady(redis, 20_000);
  const byHolder = async () => {
    const used = await redis.hgetall(USED);
    return Object.fromEntries(Object.entries(used).map(([holder, count]) => [holder, Number(count)]));
  };
  return {
    async add(holder, by) {
      await redis.eval(ADD, 2, USED, MAX, holder, by);
    },
    byHolder,
    total: async () => Object.values(await byHolder()).reduce((sum, count) => sum + count, 0),
    max: async () => Number(await redis.get(MAX)),
    async forget(holder) {
      await redis.hdel(USED, holder);
    },
    async resetMax() {
      await redis.del(MAX);
    },
    names: async () => (await redis.keys('citadel:lease:*')).map((key) => key.slice('citadel:lease:'.length)),
    close: () => redis.disconnect(),
  };
}
