import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { Leases } from '../../core/leases.ts';
import { leasesSuite } from '../conformance/leases.suite.ts';
import { expectWithin, inTime } from '../support/in-time.ts';
import { createLeaseObserver } from '../support/lease-observer.ts';
import { redisService, startRedis, type TestRedis } from '../support/redis.ts';
import { openRedisLeases } from '../support/redis-leases.ts';
import { describeWith } from '../support/services.ts';
import { waitFor } from '../support/wait-for.ts';

describeWith(redisService, 'the leases on Redis, to one process,', () => {
  leasesSuite(async () => {
    const redis = await startRedis();
    const open = await Promise.all([openRedisLeases(redis.url), openRedisLeases(redis.url)]);
    return {
      open: () => open.pop() as Leases,
      close: () => redis.stop(),
    };
  });
});

describeWith(redisService, 'the leases on Redis, among processes,', () => {
  let redis: TestRedis;
  let one: Leases;
  let other: Leases;
  let name: string;

  beforeAll(async () => {
    redis = await startRedis();
    [one, other] = await Promise.all([openRedisLeases(redis.url), openRedisLeases(redis.url)]);
  });

  beforeEach(() => {
    name = randomUUID();
  });

  afterAll(async () => {
    await Promise.all([one?.close(), other?.close()]);
    await redis?.stop();
  });

  async function takeMany(leases: Leases, count: number, limit: number): Promise<number> {
    const taken = await Promise.all(Array.from({ length: count }, () => leases.take(name, limit)));
    return taken.filter(Boolean).length;
  }

  test('hold no more than the limit together', async () => {
    const taken = await Promise.all([takeMany(one, 10, 10), takeMany(other, 10, 10)]);
    expect(taken[0] + taken[1]).toBe(10);
  });

  test('a taker gets at once what sits idle in the block of another', () =>
    inTime(async () => {
      name = randomUUID();
      expect(await takeMany(one, 10, 10)).toBe(10);
      for (let at = 0; at < 9; at += 1) one.giveBack(name);
      const startedMs = performance.now();

      expect(await other.take(name, 10)).toBe(true);

      const tookMs = performance.now() - startedMs;
      expect(one.inUse(name)).toBe(1);
      expectWithin(200, tookMs);
    }));

  test('who waits hears within 200 ms of what sits idle in the block of another', () =>
    inTime(async () => {
      name = randomUUID();
      expect(await takeMany(one, 4, 4)).toBe(4);
      for (let at = 0; at < 4; at += 1) one.giveBack(name);
      const heard = new Promise<void>((resolve) => other.onFree((freed) => freed === name && resolve()));
      const startedMs = performance.now();

      expect(other.tryTake(name, 4)).toBe(false);
      await heard;

      const tookMs = performance.now() - startedMs;
      expect(other.tryTake(name, 4)).toBe(true);
      expectWithin(200, tookMs);
    }));

  test('who waits hears within 200 ms of what another gives back', () =>
    inTime(async () => {
      name = randomUUID();
      expect(await takeMany(one, 2, 2)).toBe(2);
      const heard = new Promise<void>((resolve) => other.onFree((freed) => freed === name && resolve()));
      expect(other.tryTake(name, 2)).toBe(false);
      // Long enough for every process to have asked in vain.
      expect(await other.take(name, 2)).toBe(false);
      const startedMs = performance.now();

      one.giveBack(name);
      await heard;

      const tookMs = performance.now() - startedMs;
      expect(other.tryTake(name, 2)).toBe(true);
      expectWithin(200, tookMs);
    }));

  test('a taker hears no as soon as the others have said that they use all they hold', () =>
    inTime(async () => {
      name = randomUUID();
      expect(await takeMany(one, 3, 3)).toBe(3);
      const startedMs = performance.now();
      expect(await other.take(name, 3)).toBe(false);
      expectWithin(240, performance.now() - startedMs);
    }));

  test('one unit goes round among those who want it', async () => {
    const served = { one: 0, other: 0 };
    const untilMs = performance.now() + 1_500;
    await Promise.all(
      Object.entries({ one, other }).map(async ([who, leases]) => {
        while (performance.now() < untilMs) {
          await waitFor(() => leases.tryTake(name, 1), 'its turn');
          served[who as keyof typeof served] += 1;
          await new Promise((resolve) => setTimeout(resolve, 5));
          leases.giveBack(name);
        }
      }),
    );
    expect(served.one).toBeGreaterThan(5);
    expect(served.other).toBeGreaterThan(5);
  });

  test('hold no more than the limit at any moment, however they take and give back', async () => {
    const limit = 7;
    const all = await Promise.all([one, other, openRedisLeases(redis.url), openRedisLeases(redis.url)]);
    const total = () => all.reduce((sum, leases) => sum + leases.inUse(name), 0);
    const untilMs = performance.now() + 2_500;
    let most = 0;
    let taken = 0;
    const random = (below: number) => Math.floor(Math.random() * below);
    const use = async (leases: Leases, at: number) => {
      while (performance.now() < untilMs) {
        const asks = (random(2) + at) % 2 === 0;
        if (asks ? await leases.take(name, limit) : leases.tryTake(name, limit)) {
          taken += 1;
          most = Math.max(most, total());
          await new Promise((resolve) => setTimeout(resolve, random(8)));
          leases.giveBack(name);
        }
        // Sometimes long enough to count as idle.
        await new Promise((resolve) => setTimeout(resolve, random(10) === 0 ? 100 : random(4)));
      }
    };

    await Promise.all(all.flatMap((leases) => Array.from({ length: 5 }, (_, at) => use(leases, at))));

    expect(most).toBe(limit);
    expect(total()).toBe(0);
    expect(taken).toBeGreaterThan(500);
    await Promise.all(all.slice(2).map((leases) => leases.close()));
  });

  test('hold no more than a limit that sank, soon, though all of them want more', async () => {
    let limit = 10;
    let isOver = false;
    const total = () => one.inUse(name) + other.inUse(name);
    const use = async (leases: Leases) => {
      while (!isOver) {
        const isTaken = leases.tryTake(name, limit);
        await new Promise((resolve) => setTimeout(resolve, 10));
        if (isTaken) leases.giveBack(name);
      }
    };
    const using = Promise.all([one, other].flatMap((leases) => Array.from({ length: 8 }, () => use(leases))));
    await waitFor(() => total() === 10, 'all are in use');

    limit = 4;
    await waitFor(() => total() <= 4, 'no more than four are in use');

    let most = 0;
    const untilMs = performance.now() + 1_000;
    while (performance.now() < untilMs) {
      most = Math.max(most, total());
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    isOver = true;
    await using;
    expect(most).toBe(4);
  });

  test('a process that is closed gives everything back at once', async () => {
    const third = await openRedisLeases(redis.url);
    expect(await takeMany(third, 5, 5)).toBe(5);
    expect(await other.take(name, 5)).toBe(false);
    await third.close();
    expect(await takeMany(other, 5, 5)).toBe(5);
  });

  test('unused units go back by themselves, and Redis keeps nothing of a name that nobody uses', async () => {
    const observer = await createLeaseObserver(redis.url);
    expect(await takeMany(one, 5, 50)).toBe(5);
    expect(await observer.names()).toContain(name);
    for (let at = 0; at < 5; at += 1) one.giveBack(name);

    await waitFor(async () => !(await observer.names()).includes(name), 'the key is gone');
    observer.close();
  });
});

describeWith(redisService, 'the leases on Redis, while it is away,', () => {
  test('go on with the units in hand until the TTL has passed, then give none, and work again on its return', async () => {
    const redis = await startRedis();
    const leases = await openRedisLeases(redis.url);
    for (let at = 0; at < 4; at += 1) await leases.take('thing', 4);
    for (let at = 0; at < 4; at += 1) leases.giveBack('thing');
    await redis.kill();
    const killedMs = performance.now();

    expect(leases.tryTake('thing', 4)).toBe(true);
    await waitFor(() => {
      if (!leases.tryTake('thing', 4)) return true;
      leases.giveBack('thing');
      return false;
    }, 'the block has lapsed');
    expect(performance.now() - killedMs).toBeGreaterThan(3_000);
    await expect(leases.take('thing', 4)).rejects.toMatchObject({ code: 'store_unavailable' });
    expect(leases.inUse('thing')).toBe(1);

    await redis.restart();
    await waitFor(() => leases.tryTake('thing', 4), 'a unit after its return');
    await leases.close();
    await redis.stop();
  });

  test('say so at once to a taker who holds nothing', () =>
    inTime(async () => {
      const redis = await startRedis();
      const leases = await openRedisLeases(redis.url);
      await redis.kill();
      const startedMs = performance.now();
      await expect(leases.take('thing', 4)).rejects.toMatchObject({ code: 'store_unavailable' });
      const tookMs = performance.now() - startedMs;
      await leases.close();
      await redis.stop();
      expectWithin(2_000, tookMs);
    }));
});

describeWith(redisService, 'a process whose word to Redis takes long,', () => {
  test('refuses nobody while the limit is far, though its heartbeat falls due meanwhile', async () => {
    const redis = await startRedis();
    const leases = await openRedisLeases(redis.url);
    const name = randomUUID();
    const takeTen = () => Promise.all(Array.from({ length: 10 }, () => leases.take(name, 100_000)));
    const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
    try {
      await leases.take(name, 100_000);
      await pause(1_350);
      redis.freeze();
      const first = takeTen();
      await pause(50);
      const second = takeTen();
      await pause(150);
      redis.thaw();

      expect(await Promise.all([first, second])).toEqual([Array(10).fill(true), Array(10).fill(true)]);
    } finally {
      await leases.close();
      await redis.stop();
    }
  });
});
