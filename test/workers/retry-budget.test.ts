import { describe, expect, test } from '@jest/globals';
import { createRetryBudget } from '../../workers/retry-budget.ts';

function setup(share: number, floor: number) {
  const clock = { nowMs: 1_000_000 };
  const budget = createRetryBudget({ share, floor, now: () => clock.nowMs });
  const call = (times: number) => {
    for (let index = 0; index < times; index++) budget.called();
  };
  /** How many of so many retries were allowed. */
  const retry = (times: number) =>
    Array.from({ length: times }, () => budget.tryRetry()).filter(Boolean).length;
  return { clock, call, retry };
}

describe('the retry budget', () => {
  test.each([
    [0, 10],
    [10, 10],
    [50, 10],
    [100, 20],
    [1_000, 200],
  ])('of %d calls allows %d retries', (calls, retries) => {
    const { call, retry } = setup(0.2, 10);
    call(calls);

    expect(retry(500)).toBe(retries);
  });

  test('comes back as its window passes, and not before', () => {
    const { clock, retry } = setup(0.2, 10);
    retry(10);

    clock.nowMs += 9_999;
    expect(retry(1)).toBe(0);
    clock.nowMs += 1_001;

    expect(retry(20)).toBe(10);
  });

  test('forgets calls as it forgets retries', () => {
    const { clock, call, retry } = setup(0.2, 0);
    call(100);
    clock.nowMs += 11_000;

    expect(retry(1)).toBe(0);
  });

  test('with no floor and no share allows none', () => {
    const { call, retry } = setup(0, 0);
    call(100);

    expect(retry(10)).toBe(0);
  });
});
