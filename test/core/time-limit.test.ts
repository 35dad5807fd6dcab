import { describe, expect, test } from '@jest/globals';
import { endsWithin, withinLimit } from '../../core/time-limit.ts';

const LONG_MS = 60_000;
const broken = () => Promise.reject(new Error('broken'));
const endless = () => new Promise<never>(() => {});
const timers = () => process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length;

describe('work with a limit', () => {
  test('gives its value', async () => {
    expect(await withinLimit(Promise.resolve(5), LONG_MS, 'no answer')).toBe(5);
  });

  test('throws what it throws', async () => {
    await expect(withinLimit(broken(), LONG_MS, 'no answer')).rejects.toThrow('broken');
  });

  test('throws when it takes longer', async () => {
    await expect(withinLimit(endless(), 10, 'no answer')).rejects.toThrow('no answer within 10 ms');
  });
});

describe('whether work ends within a limit', () => {
  test('is true when it ends, with nothing too', async () => {
    expect(await endsWithin(Promise.resolve(), LONG_MS)).toBe(true);
  });

  test('is false when it takes longer', async () => {
    expect(await endsWithin(endless(), 10)).toBe(false);
  });

  test('is not told of work that throws: the error is', async () => {
    await expect(endsWithin(broken(), LONG_MS)).rejects.toThrow('broken');
  });
});

test('no timer is left of work that ended, well or not', async () => {
  const before = timers();

  await withinLimit(Promise.resolve(), LONG_MS, 'no answer');
  await endsWithin(broken(), LONG_MS).catch(() => {});

  expect(timers()).toBe(before);
});

test('work that throws after its limit harms nobody', async () => {
  const work = Promise.withResolvers<void>();
  expect(await endsWithin(work.promise, 10)).toBe(false);

  work.reject(new Error('late'));

  // Jest fails a test in which a rejection stays unhandled.
  await new Promise((resolve) => setImmediate(resolve));
});
