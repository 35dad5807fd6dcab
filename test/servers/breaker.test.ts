import { describe, expect, test } from '@jest/globals';
import {
  answerProbe,
  type Breaker,
  CLOSED,
  failCall,
  isProbeDue,
  leaveProbe,
  letsCall,
  startCall,
} from '../../servers/breaker.ts';

const RULE = { failures: 3, callers: 2 };

/** A breaker after failures by these callers, a millisecond apart. */
function failedBy(callers: string[], breaker: Breaker = CLOSED): Breaker {
  return callers.reduce(
    (known, caller, nowMs) => failCall(known, { caller, isProbe: false, nowMs }, RULE),
    breaker,
  );
}

const failProbe = (breaker: Breaker, nowMs: number) =>
  failCall(startCall(breaker, nowMs), { caller: 'a', isProbe: true, nowMs }, RULE);

const OPEN: Breaker = { status: 'open', untilMs: 1_000, openMs: 1_000 };

describe('a breaker', () => {
  test.each([
    ['two failures by two callers', ['a', 'b'], 'closed'],
    ['a hundred failures by one caller', Array(100).fill('a'), 'closed'],
    ['three failures by two callers', ['a', 'a', 'b'], 'open'],
    ['three failures by three callers', ['a', 'b', 'c'], 'open'],
  ])('after %s is %s', (_, callers, status) => {
    expect(failedBy(callers).status).toBe(status);
  });

  test('counts failures in a row: those from before a quiet time are of another one', () => {
    const two = failedBy(['a', 'b']);

    expect(failCall(two, { caller: 'c', isProbe: false, nowMs: 30_000 }, RULE).status).toBe('open');
    expect(failCall(two, { caller: 'c', isProbe: false, nowMs: 30_002 }, RULE)).toMatchObject({
      status: 'closed',
      failures: 1,
      callers: ['c'],
    });
  });

  test('keeps no more callers than it needs to tell apart', () => {
    expect(failedBy(['a', 'a', 'a'], CLOSED)).toMatchObject({ callers: ['a'], failures: 3 });
  });

  test('that is open lets no call through until its time is over, then one', () => {
    expect([letsCall(OPEN, 999), letsCall(OPEN, 1_000), isProbeDue(OPEN, 1_000)]).toEqual([
      false,
      true,
      true,
    ]);

    const halfOpen = startCall(OPEN, 1_000);

    expect(halfOpen.status).toBe('half-open');
    expect([letsCall(halfOpen, 1_001), letsCall(halfOpen, 100_000)]).toEqual([false, false]);
  });

  test('whose probe never ends lets another one through after two minutes', () => {
    const halfOpen = startCall(OPEN, 1_000);

    expect([letsCall(halfOpen, 120_999), letsCall(halfOpen, 121_000)]).toEqual([false, true]);
    expect(startCall(halfOpen, 121_000)).toMatchObject({ status: 'half-open', sinceMs: 121_000 });
  });

  test('whose probes fail opens for twice as long each time, at most 30 s', () => {
    const lasted: number[] = [];
    let breaker = failedBy(['a', 'b', 'c']);
    for (let probe = 0; probe < 7; probe++) {
      if (breaker.status !== 'open') throw new Error(`it is ${breaker.status}`);
      lasted.push(breaker.openMs);
      breaker = failProbe(breaker, breaker.untilMs);
    }

    expect(lasted).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
  });

  test('closes by the first token of its probe, and opens for longer when no call passes after that', () => {
    const closed = answerProbe(startCall(OPEN, 1_000));
    expect(closed).toMatchObject({ status: 'closed', failures: 0, openMs: 2_000 });

    expect(failedBy(['a', 'b', 'c'], closed)).toMatchObject({ status: 'open', openMs: 2_000 });
  });

  test('whose probe was given up lets the next call be the probe, for no longer than before', () => {
    const left = leaveProbe(startCall(OPEN, 1_000), 1_500);

    expect(left).toEqual({ status: 'open', untilMs: 1_500, openMs: 1_000 });
    expect(letsCall(left, 1_500)).toBe(true);
  });

  test('learns nothing from the failures of calls that were under way when it opened', () => {
    const late = { caller: 'z', isProbe: false, nowMs: 900 };
    const halfOpen = startCall(OPEN, 1_000);

    expect(failCall(OPEN, late, RULE)).toBe(OPEN);
    expect(failCall(halfOpen, late, RULE)).toBe(halfOpen);
  });
});
