import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { newInboxId } from '../../core/ids.ts';
import { createLogger } from '../../core/logger.ts';
import { createLocalQuotaWindows } from '../../queues/quota-windows.ts';
import { createRedisQueues, type RedisQueues } from '../../queues/redis-queues.ts';
import { quotaWindowsSuite } from '../conformance/quota-windows.suite.ts';
import { expectWithin, inTime } from '../support/in-time.ts';
import { redisService, startRedis, type TestRedis } from '../support/redis.ts';
import { describeWith } from '../support/services.ts';

describe('quotas in memory', () => {
  const windows = createLocalQuotaWindows();
  quotaWindowsSuite(() => windows);
});

describeWith(redisService, 'quotas on Redis', () => {
  const logger = createLogger({ level: 'silent' });
  let redis: TestRedis;
  let processes: RedisQueues[];
  let turn = 0;

  beforeAll(async () => {
    redis = await startRedis();
    const open = () => createRedisQueues({ url: redis.url, inbox: newInboxId(), allowUnsafe: false, logger });
    processes = await Promise.all([open(), open()]);
  });

  afterAll(async () => {
    await Promise.all(processes.map((one) => one.close()));
    await redis.stop();
  });

  quotaWindowsSuite(() => {
    // In turn, so that what one process takes another sees.
    const take = () => processes[turn++ % processes.length] as RedisQueues;
    return {
      take: (...args) => take().quotas.take(...args),
      charge: (...args) => take().quotas.charge(...args),
      giveBack: (...args) => take().quotas.giveBack(...args),
    };
  });

  test('are refused at once while Redis is away', async () => {
    await redis.kill();
    const [one] = processes;

    await inTime(async () => {
      const startMs = performance.now();
      await expect(one?.quotas.take('any', { units: 1, windowMs: 60_000 }, 1)).rejects.toMatchObject({
        code: 'store_unavailable',
      });
      expectWithin(2_000, performance.now() - startMs);
    });
  });
});
