import type { Redis } from 'ioredis';
import { type RateLimiterAbstract, RateLimiterMemory, RateLimiterRedis } from 'rate-limiter-flexible';
import type { Quota, QuotaWindows } from '../access/quota-windows.ts';
import { storeUnavailable } from './store-errors.ts';

const KEY_PREFIX = 'citadel:quota';

/** Quotas that the processes on one Redis share, over a connection that fails at once while Redis is away. */
export function createRedisQuotaWindows(commands: Redis): QuotaWindows {
  return createQuotaWindows((duration) => {
    const options = { keyPrefix: KEY_PREFIX, points: 1, duration, storeClient: commands };
    return new RateLimiterRedis({ ...options, rejectIfRedisNotReady: true });
  });
}

/** The quotas of a single process, in memory. */
export function createLocalQuotaWindows(): QuotaWindows {
  return createQuotaWindows((duration) => new RateLimiterMemory({ points: 1, duration }));
}

// The limiter's own `points` are not used: it would count what it refuses, and a limiter knows one limit only. Its
// `penalty` counts without refusing, and gives the sum.
function createQuotaWindows(open: (durationSeconds: number) => RateLimiterAbstract): QuotaWindows {
  const limiters = new Map<number, RateLimiterAbstract>();

  return {
    async take(name, quota, units) {
      const limiter = limiterOf(quota);
      try {
        const { consumedPoints, msBeforeNext } = await limiter.penalty(name, units);
        const over = Math.max(0, Math.min(units, consumedPoints - quota.units));
        if (over > 0) await limiter.reward(name, over);
        return {
          granted: units - over,
          left: Math.max(0, quota.units - consumedPoints + over),
          resetMs: Math.max(1, msBeforeNext),
        };
      } catch (error) {
        throw storeUnavailable(error);
      }
    },
    async charge(name, quota, units) {
      await change(limiterOf(quota).penalty(name, units));
    },
    async giveBack(name, quota, units) {
      await change(limiterOf(quota).reward(name, units));
    },
  };

  function limiterOf({ windowMs }: Quota): RateLimiterAbstract {
    let limiter = limiters.get(windowMs);
    if (!limiter) {
      limiter = open(Math.ceil(windowMs / 1_000));
      limiters.set(windowMs, limiter);
    }
    return limiter;
  }
}

async function change(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    throw storeUnavailable(error);
  }
}
