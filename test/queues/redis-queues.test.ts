import { expect, test } from '@jest/globals';
import { newInboxId, newJobId } from '../../core/ids.ts';
import { createLogger } from '../../core/logger.ts';
import type { BusMessage } from '../../jobs/reply-bus.ts';
import { createRedisConnection, waitUntilReady } from '../../queues/redis-connection.ts';
import { createRedisQueues } from '../../queues/redis-queues.ts';
import { openRedisShortWay } from '../../queues/redis-short-way.ts';
import { queueSystemSuite } from '../conformance/queue-system.suite.ts';
import { shortWaySuite } from '../conformance/short-way.suite.ts';
import { expectWithin, inTime, timeOf } from '../support/in-time.ts';
import { redisService, startRedis } from '../support/redis.ts';
import { describeWith } from '../support/services.ts';
import { waitFor } from '../support/wait-for.ts';

const logger = createLogger({ level: 'silent' });
const open = (url: string, allowUnsafe = false) =>
  createRedisQueues({ url, inbox: newInboxId(), allowUnsafe, logger });

describeWith(redisService, 'the queues on Redis', () => {
  queueSystemSuite(async () => {
    const redis = await startRedis();
    return {
      open: (inbox) => createRedisQueues({ url: redis.url, inbox, allowUnsafe: false, logger }),
      close: () => redis.stop(),
    };
  });
});

describeWith(redisService, 'the short way on Redis', () => {
  shortWaySuite(async () => {
    const redis = await startRedis();
    const system = await open(redis.url);
    const commands = createRedisConnection(redis.url, 'commands', logger);
    await waitUntilReady(commands, 5_000);
    return {
      system,
      shortWay: openRedisShortWay(commands, 'lightweight'),
      async close() {
        commands.disconnect();
        await system.close();
        await redis.stop();
      },
    };
  });
});

describeWith(redisService, 'a Redis that would lose work', () => {
  const UNSAFE = ['--appendonly', 'no', '--maxmemory-policy', 'allkeys-lru'];

  test('is refused with every reason and its cure', async () => {
    const redis = await startRedis(UNSAFE);
    try {
      const refusal = open(redis.url);
      await expect(refusal).rejects.toThrow(/append-only file is off.*CONFIG SET appendonly yes/s);
      await expect(refusal).rejects.toThrow(/maxmemory-policy is allkeys-lru.*noeviction/s);
      await expect(refusal).rejects.toThrow(/CITADEL_ALLOW_UNSAFE_REDIS=1/);
    } finally {
      await redis.stop();
    }
  });

  test('is taken with a warning when the operator allows it', async () => {
    const redis = await startRedis(['--appendonly', 'no']);
    try {
      const lines: string[] = [];
      const loud = createLogger({
        level: 'warn',
        pretty: false,
        destination: { write: (line) => lines.push(line) },
      });
      const queues = await createRedisQueues({
        url: redis.url,
        inbox: newInboxId(),
        allowUnsafe: true,
        logger: loud,
      });
      await queues.close();
      expect(lines.join('')).toMatch(/append-only file is off/);
    } finally {
      await redis.stop();
    }
  });

  test('that is not there at all is refused within 6 s', async () => {
    await expect(open('redis://127.0.0.1:1')).rejects.toThrow(/Redis at REDIS_URL cannot be used/);
  });
});

describeWith(redisService, 'while Redis is away', () => {
  async function setup() {
    const redis = await startRedis();
    const [queues, other] = await Promise.all([open(redis.url), open(redis.url)]);
    return {
      redis,
      queues,
      other,
      async stop() {
        await Promise.allSettled([queues.close(), other.close()]);
        await redis.stop();
      },
    };
  }

  test('adding fails at once when it is down, and works again when it is back', () =>
    inTime(async () => {
      const { redis, queues, stop } = await setup();
      await redis.kill();
      const startedMs = Date.now();

      await expect(queues.queue('lightweight').add(newJobId(), {}, 1)).rejects.toMatchObject({
        code: 'store_unavailable',
      });

      const refusedMs = Date.now() - startedMs;
      await redis.restart();
      await waitFor(
        () =>
          queues
            .queue('lightweight')
            .add(newJobId(), {}, 1)
            .then(
              () => true,
              () => false,
            ),
        'adding works again',
      );
      await stop();
      expectWithin(2_500, refusedMs);
    }));

  test('adding fails within 3 s when it is frozen', () =>
    inTime(async () => {
      const { redis, queues, stop } = await setup();
      redis.freeze();
      const startedMs = Date.now();

      await expect(queues.queue('lightweight').add(newJobId(), {}, 1)).rejects.toMatchObject({
        code: 'store_unavailable',
      });

      const refusedMs = Date.now() - startedMs;
      redis.thaw();
      await stop();
      expectWithin(3_000, refusedMs);
    }));

  test('messages between processes wait for its return and arrive in order, once each', async () => {
    const { redis, queues, other, stop } = await setup();
    const seen: number[] = [];
    other.bus.subscribe((message) => {
      if (message.kind === 'reply') seen.push(message.seq);
    });
    const message = (seq: number): BusMessage => ({
      kind: 'reply',
      jobId: newJobId(),
      attempt: 1,
      seq,
      frame: { type: 'chunks', data: [] },
    });
    await queues.bus.send(other.bus.inbox, message(0));
    await waitFor(() => seen.length === 1, 'the first message');

    await redis.kill();
    const sending = [1, 2, 3].map((seq) => queues.bus.send(other.bus.inbox, message(seq)));
    await redis.restart();

    expect(await Promise.all(sending)).toEqual([true, true, true]);
    await waitFor(() => seen.length >= 4, 'the others');
    expect(seen).toEqual([0, 1, 2, 3]);
    await stop();
  });

  test('a process that has caught up has heard all that was sent to it before', async () => {
    const { queues, other, stop } = await setup();
    const heard: BusMessage[] = [];
    other.bus.subscribe((message) => heard.push(message));
    const sent = Array.from({ length: 3_000 }, () => ({ kind: 'cancel', jobId: newJobId() }) as const);
    // One entry each, so that no single read brings them all.
    for (const message of sent) await queues.bus.send(other.bus.inbox, message);

    await other.bus.caughtUp();

    expect(heard).toEqual(sent);
    await stop();
  });

  test('a consumer takes jobs again within 3 s of its return', () =>
    inTime(async () => {
      const { redis, queues, stop } = await setup();
      const ran: string[] = [];
      const consumer = queues.queue('lightweight').consume({
        concurrency: 2,
        run: async (job) => {
          ran.push(job.id);
          return { status: 'done' };
        },
        onDead: () => {},
      });
      await redis.kill();
      await redis.restart();
      const id = newJobId();
      await waitFor(
        () =>
          queues
            .queue('lightweight')
            .add(id, {}, 1)
            .then(
              () => true,
              () => false,
            ),
        'adding works again',
      );

      const ranMs = await timeOf(() => waitFor(() => ran.includes(id), 'the job runs'));
      await consumer.close();
      await stop();
      expectWithin(3_000, ranMs);
    }));
});
