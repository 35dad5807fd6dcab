import { describe, expect, test } from '@jest/globals';
import { createQuotaBlocks } from '../../access/quota-blocks.ts';
import type { QuotaWindows } from '../../access/quota-windows.ts';
import { AppError } from '../../core/errors.ts';

const WINDOW_MS = 60_000;

/** A store of one quota under a clock that the test moves, and any number of processes on it. */
function setup(units: number, processes = 1) {
  const store = { used: 0, endsAtMs: 0, asks: 0, isDown: false };
  let nowMs = 1_000;
  const enter = () => {
    if (store.isDown) throw new AppError('store_unavailable', 'away');
    store.asks += 1;
    if (nowMs >= store.endsAtMs) Object.assign(store, { used: 0, endsAtMs: nowMs + WINDOW_MS });
  };
  const windows: QuotaWindows = {
    async take(_, quota, wanted) {
      await null;
      enter();
      const granted = Math.max(0, Math.min(wanted, quota.units - store.used));
      store.used += granted;
      return { granted, left: Math.max(0, quota.units - store.used), resetMs: store.endsAtMs - nowMs };
    },
    async charge(_, __, charged) {
      enter();
      store.used += charged;
    },
    async giveBack(_, __, back) {
      enter();
      store.used -= back;
    },
  };
  const all = Array.from({ length: processes }, () => createQuotaBlocks({ windows, now: () => nowMs }));
  const quota = { units, windowMs: WINDOW_MS };
  return {
    store,
    now: () => nowMs,
    pass(ms: number) {
      nowMs += ms;
    },
    take: (count: number, process = 0) => all[process]?.take('q', quota, count) ?? Promise.reject(),
    settle: (count: number, takenAtMs: number, process = 0) =>
      all[process]?.settle('q', quota, count, takenAtMs),
  };
}

async function takenOf(
  count: number,
  take: (index: number) => { taken: boolean } | Promise<{ taken: boolean }>,
): Promise<number> {
  const answers = await Promise.all(Array.from({ length: count }, (_, index) => take(index)));
  return answers.filter(({ taken }) => taken).length;
}

describe('a quota', () => {
  test.each([1, 10, 300, 10_000])('of %d is granted to the unit, however many ask at once', async (units) => {
    const { take } = setup(units);

    expect(await takenOf(units + 50, () => take(1))).toBe(units);
  });

  test.each([300, 10_000])('of %d is shared by four processes within 2 %%', async (units) => {
    const { take } = setup(units, 4);
    let taken = 0;
    for (let turn = 0; turn < units + 200; turn += 20)
      taken += await takenOf(20, (index) => take(1, index % 4));

    expect(taken).toBeLessThanOrEqual(units);
    expect(taken).toBeGreaterThanOrEqual(units * 0.98);
  });

  test('is asked for in blocks: most requests ask nobody', async () => {
    const { take, store } = setup(100_000);

    for (let turn = 0; turn < 5_000; turn++) await take(1);

    expect(store.asks).toBeLessThan(50);
  });

  test('is not used up by what is refused, and what is refused asks no more often than needed', async () => {
    const { take, store } = setup(100);
    await take(60);

    for (let turn = 0; turn < 20; turn++) expect(await take(50)).toMatchObject({ taken: false });

    expect(await take(40)).toMatchObject({ taken: true, remaining: 0 });
    const { asks } = store;
    for (let turn = 0; turn < 20; turn++) await take(1);
    expect(store.asks).toBeLessThanOrEqual(asks + 1);
  });

  test('is whole again when the window is over', async () => {
    const { take, pass } = setup(10);
    await take(10);
    expect(await take(1)).toMatchObject({ taken: false, remaining: 0, resetMs: WINDOW_MS });

    pass(WINDOW_MS);

    expect(await take(10)).toMatchObject({ taken: true });
  });
});

describe('what was taken', () => {
  test('comes back for every process where it was too much', async () => {
    const { take, settle, now } = setup(1_000, 2);
    await take(1_000);
    const takenAtMs = now();
    expect(await take(100, 1)).toMatchObject({ taken: false });

    settle(-900, takenAtMs);
    await null;

    expect(await take(100, 0)).toMatchObject({ taken: true });
    expect(await take(700, 0)).toMatchObject({ taken: true });
  });

  test('is charged where it was too little, beyond the quota even', async () => {
    const { take, settle, now, store } = setup(1_000);
    await take(500);

    settle(700, now());
    await null;

    expect(store.used).toBeGreaterThanOrEqual(1_200);
    expect(await take(1)).toMatchObject({ taken: false });
  });

  test('in an earlier window does not come back in this one', async () => {
    const { take, settle, now, pass } = setup(100);
    await take(100);
    const takenAtMs = now();
    pass(WINDOW_MS);
    await take(100);

    settle(-100, takenAtMs);

    expect(await take(1)).toMatchObject({ taken: false });
  });
});

test('a store that is away lets in nobody, and hinders nobody when it is back', async () => {
  const { take, store } = setup(100);
  store.isDown = true;
  const refused = await Promise.allSettled([take(1), take(1), take(1)]);
  expect(refused.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);

  store.isDown = false;

  expect(await take(1)).toMatchObject({ taken: true });
});
