import { kill } from 'node:process';
import { expect, test } from '@jest/globals';
import { expectWithin, inTime, LateError } from '../support/in-time.ts';
import { createLeaseObserver, type LeaseObserver } from '../support/lease-observer.ts';
import { startProgram, type TestProgram } from '../support/program.ts';
import { redisService, startRedis } from '../support/redis.ts';
import { describeWith } from '../support/services.ts';
import { waitFor } from '../support/wait-for.ts';

const NAME = 'slots of a server';
const LIMIT = 10;
const TTL_MS = 5_000;
const HOLD_MS = 60;
const TWO_HOURS_MS = 7_200_000;

describeWith(redisService, 'processes that want more units than there are', () => {
  test.concurrent('never use more than the limit, and 90 % of it, whatever their clocks say', () =>
    inTime(async () => {
      await using holders = await startHolders([0, TWO_HOURS_MS, -TWO_HOURS_MS]);
      const { observer } = holders;

      const { average, users } = await watch(observer, 4_000);

      expect(await observer.max()).toBe(LIMIT);
      expect(users.size).toBe(3);
      if (average <= 0.9 * LIMIT) throw new LateError(`they use ${average} on average`);
    }));

  test.concurrent('all get their turn where there are fewer units than processes', async () => {
    await using holders = await startHolders([0, 0, 0], 3, 2);
    const { observer } = holders;

    const { users } = await watch(observer, 3_000);

    expect(await observer.max()).toBe(2);
    expect(users.size).toBe(3);
  });

  test.concurrent('have the units of one that was killed within the TTL and a second', () =>
    inTime(async () => {
      await using holders = await startHolders([0, 0, 0]);
      const { observer, victim } = holders;
      await victim.kill();
      const killedMs = performance.now();
      await observer.forget(String(victim.pid));

      await waitFor(async () => (await observer.total()) === LIMIT, 'the others use them all');

      const usedMs = performance.now() - killedMs;
      expect(await observer.max()).toBe(LIMIT);
      expectWithin(TTL_MS + 1_000, usedMs);
    }));

  test.concurrent('exceed the limit, after one was frozen for longer than the TTL, by what that one was using, and no more', async () => {
    await using holders = await startHolders([0, 0, 0]);
    const { observer, victim } = holders;
    const { pid } = victim;
    const stuck = await waitFor(() => freezeInUse(observer, pid), 'it is frozen while it uses units');
    const othersUseAll = async () => (await observer.total()) === LIMIT + stuck;
    await waitFor(othersUseAll, 'the others use all');

    kill(pid, 'SIGCONT');

    // Those calls end; from then on the limit holds again.
    const holdsAgain = async () => {
      await observer.resetMax();
      await watch(observer, 200);
      return (await observer.max()) <= LIMIT;
    };
    expect(await observer.max()).toBe(LIMIT + stuck);
    await waitFor(holdsAgain, 'the limit holds again');
    const { users } = await watch(observer, 1_500);
    expect(await observer.max()).toBe(LIMIT);
    expect(users.size).toBe(3);
  });
});

/** Starts processes with `callers` each, their clocks off by `skewsMs`, and waits until all units are in use. */
async function startHolders(skewsMs: number[], callers = 8, limit = LIMIT) {
  const redis = await startRedis();
  const observer = await createLeaseObserver(redis.url);
  const holders = skewsMs.map((skewMs) => {
    const args = [redis.url, NAME, limit, callers, HOLD_MS, skewMs].map(String);
    return startProgram('lease-holder.ts', args);
  });
  await Promise.all(holders.map((holder) => holder.nextLine()));
  await waitFor(async () => (await observer.total()) >= limit, 'all units are in use');
  return {
    observer,
    victim: holders[0] as TestProgram,
    async [Symbol.asyncDispose]() {
      await Promise.all(holders.map((holder) => holder.kill()));
      observer.close();
      await redis.stop();
    },
  };
}

/** What is in use, on average, and by how many processes at least once. */
async function watch(observer: LeaseObserver, ms: number): Promise<{ average: number; users: Set<string> }> {
  const untilMs = performance.now() + ms;
  const users = new Set<string>();
  let sum = 0;
  let samples = 0;
  while (performance.now() < untilMs) {
    for (const [holder, used] of Object.entries(await observer.byHolder())) {
      sum += used;
      if (used > 0) users.add(holder);
    }
    samples += 1;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return { average: sum / samples, users };
}

/** Freezes a holder. Answers how many units it is using; when none, it goes on. */
async function freezeInUse(observer: LeaseObserver, pid: number): Promise<number> {
  kill(pid, 'SIGSTOP');
  // What it had sent has arrived once two looks agree.
  const used = async () => (await observer.byHolder())[String(pid)] ?? 0;
  const seen = await used();
  await watch(observer, 50);
  if (seen > 0 && seen === (await used())) return seen;
  kill(pid, 'SIGCONT');
  return 0;
}
