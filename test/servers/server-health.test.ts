import { describe, expect, test } from '@jest/globals';
import { BackendFailure } from '../../core/backend-failure.ts';
import {
  afterCall,
  afterCheck,
  afterFirstToken,
  afterStart,
  type CallEnd,
  closedForMs,
  coolingMs,
  isSuspicious,
  isTrialDue,
  letsCall,
  type ServerHealth,
  stateOf,
  UNKNOWN_HEALTH,
} from '../../servers/server-health.ts';

const RULES = { unhealthyAfter: 3, healthyAfter: 5 };
const HEALTHY = afterCheck(UNKNOWN_HEALTH, true, RULES);

/** `+` a passed check, `-` a failed one. */
function checked(checks: string, from = UNKNOWN_HEALTH): ServerHealth {
  return [...checks].reduce((health, check) => afterCheck(health, check === '+', RULES), from);
}

const REFUSED = new BackendFailure('unreachable', 'refused', { reached: false });
const RESET = new BackendFailure('unreachable', 'reset');
const status = (code: number, options = {}) =>
  new BackendFailure('status', 'refused', { status: code, ...options });

function failed(failure: BackendFailure, caller = 'a'): CallEnd {
  return { status: 'failed', failure, caller };
}

/** After calls for `m` that ended so, one each millisecond. */
function called(ends: CallEnd[], from = HEALTHY): ServerHealth {
  return ends.reduce(
    (health, end, nowMs) => afterCall(health, { model: 'm', end, isProbe: false, nowMs }),
    from,
  );
}

const fiveBy = (callers: string[], failure: BackendFailure) =>
  called([0, 1, 2, 3, 4].map((index) => failed(failure, callers[index % callers.length])));

describe('checks', () => {
  test.each([
    ['', 'unknown'],
    ['+', 'healthy'],
    ['-', 'unhealthy'],
    ['+-', 'degraded'],
    ['+--', 'degraded'],
    ['+---', 'unhealthy'],
    ['+-+', 'degraded'],
    ['+-++++', 'degraded'],
    ['+-+++++', 'healthy'],
    ['+--+-+--', 'degraded'],
    ['+--+-+---', 'unhealthy'],
    ['+---+', 'degraded'],
    ['+---++++', 'degraded'],
    ['+---+++++', 'healthy'],
    ['+---++++-', 'unhealthy'],
    ['+---++++-++++', 'degraded'],
    ['+---+++++-', 'degraded'],
    ['+---+-+-+-', 'unhealthy'],
    ['-+', 'degraded'],
    ['-+++++', 'healthy'],
    ['-+-', 'unhealthy'],
  ])('%p make a server %s', (checks, state) => {
    expect(stateOf(checked(checks))).toBe(state);
  });

  test('are counted in a row', () => {
    expect(checked('+++-').checks).toMatchObject({ failures: 1, successes: 0 });
    expect(checked('---++').checks).toMatchObject({ failures: 0, successes: 2 });
  });

  test('go by the numbers that are set', () => {
    const once = { unhealthyAfter: 1, healthyAfter: 1 };
    const down = afterCheck(HEALTHY, false, once);

    expect([stateOf(down), stateOf(afterCheck(down, true, once))]).toEqual(['unhealthy', 'healthy']);
  });

  test.each([
    ['+', false],
    ['+-', true],
    ['+-+', true],
    ['+-+++++', false],
    ['+---', true],
    ['-', true],
  ])('%p leave a server suspicious: %s', (checks, isIt) => {
    expect(isSuspicious(checked(checks))).toBe(isIt);
  });
});

describe('a failure to connect', () => {
  test('stops the calls at once, whoever called, and makes the server suspicious', () => {
    const health = called([failed(REFUSED)]);

    expect([letsCall(health, 'm', 1), letsCall(health, 'other', 1)]).toEqual([false, false]);
    expect([stateOf(health), isSuspicious(health)]).toEqual(['degraded', true]);
    expect(closedForMs(health, 'm', 1)).toBe(999);
  });

  test('is forgotten after a passed check', () => {
    const health = afterCheck(called([failed(REFUSED)]), true, RULES);

    expect([letsCall(health, 'm', 1), stateOf(health), isSuspicious(health)]).toEqual([
      true,
      'healthy',
      false,
    ]);
  });

  test.each<[string, CallEnd]>([
    ['an answer', { status: 'passed' }],
    ['an error answer', failed(status(400))],
  ])('is forgotten after %s', (_, end) => {
    expect(letsCall(called([failed(REFUSED), end]), 'm', 2)).toBe(true);
  });
});

describe('a failure that the call may have caused', () => {
  const FAILURES: [string, BackendFailure][] = [
    ['500', status(500)],
    ['503', status(503)],
    ['408', status(408)],
    ['a reset', RESET],
    ['no first token', new BackendFailure('timeout', 'silent')],
    ['a malformed answer', new BackendFailure('malformed', 'odd')],
    ['a cut', new BackendFailure('cut', 'cut')],
  ];

  test.each(FAILURES)('stops the calls for the model when two callers had it: %s', (_, failure) => {
    const health = fiveBy(['a', 'b'], failure);

    expect([letsCall(health, 'm', 5), letsCall(health, 'other', 5)]).toEqual([false, true]);
    expect([stateOf(health), isSuspicious(health)]).toEqual(['degraded', true]);
  });

  test.each(FAILURES)('stops no call when one caller alone had it: %s', (_, failure) => {
    const health = called(Array(1_000).fill(failed(failure)));

    expect(letsCall(health, 'm', 1_000)).toBe(true);
    expect([stateOf(health), isSuspicious(health)]).toEqual(['healthy', true]);
  });

  test('is not undone by a passed check, but by a call that passed', () => {
    const open = fiveBy(['a', 'b'], status(500));
    const rechecked = afterCheck(open, true, RULES);
    expect([letsCall(rechecked, 'm', 5), isSuspicious(rechecked)]).toEqual([false, true]);

    const passed = called([{ status: 'passed' }], rechecked);

    expect(passed).toEqual({ ...HEALTHY, checks: rechecked.checks });
  });

  test('does not count when a call passed since', () => {
    const four = called(['a', 'b', 'a', 'b'].map((caller) => failed(status(500), caller)));
    const health = called([{ status: 'passed' }, failed(status(500), 'b')], four);

    expect(letsCall(health, 'm', 9)).toBe(true);
  });
});

describe('one probe', () => {
  /** A server whose model is to be tried again, once the probe has begun. */
  function setup() {
    const open = fiveBy(['a', 'b'], status(500));
    return { open, probing: afterStart(open, 'm', 2_000) };
  }
  const probeEnded = (health: ServerHealth, end: CallEnd) =>
    afterCall(health, { model: 'm', end, isProbe: true, nowMs: 2_500 });

  test('is let through, and no other call until it has shown something', () => {
    const { open, probing } = setup();

    expect([isTrialDue(open, 'm', 1_003), isTrialDue(open, 'm', 1_004)]).toEqual([false, true]);
    expect([letsCall(open, 'm', 2_000), letsCall(probing, 'm', 2_000)]).toEqual([true, false]);
  });

  test('lets the others in with its first token', () => {
    expect(letsCall(afterFirstToken(setup().probing, 'm'), 'm', 2_100)).toBe(true);
  });

  test.each<[string, CallEnd, boolean, number]>([
    ['passes', { status: 'passed' }, true, 0],
    ['fails', failed(status(500)), false, 2_000],
    ['cannot connect', failed(REFUSED), false, 1_000],
    ['is given up', { status: 'left' }, true, 0],
    ['was a wrong request', failed(status(400)), true, 0],
  ])('that %s', (_, end, lets, closedMs) => {
    const health = probeEnded(setup().probing, end);

    expect(letsCall(health, 'm', 2_500)).toBe(lets);
    expect(closedForMs(health, 'm', 2_500)).toBe(closedMs);
  });

  test('is no business of a call that began before: its failure changes nothing', () => {
    const { probing } = setup();
    const late = afterCall(probing, { model: 'm', end: failed(status(500)), isProbe: false, nowMs: 2_100 });

    expect(late.answers).toEqual(probing.answers);
  });
});

describe('a server that wants no more calls', () => {
  test.each([
    [undefined, 1_000],
    [0, 1_000],
    [7, 7_000],
    [3_600, 60_000],
  ])('with Retry-After %p s gets none for %d ms, and stays healthy', (retryAfterSeconds, forMs) => {
    const health = called([failed(status(429, { retryAfterSeconds }))]);

    expect([coolingMs(health, 'm', 0), coolingMs(health, 'm', forMs), coolingMs(health, 'other', 0)]).toEqual(
      [forMs, 0, 0],
    );
    expect([stateOf(health), isSuspicious(health)]).toEqual(['healthy', false]);
  });

  test('is not remembered longer than it wanted', () => {
    const first = called([failed(status(429))]);
    const end = failed(status(429));
    const second = afterCall(first, { model: 'n', end, isProbe: false, nowMs: 5_000 });

    expect([...second.coolUntilMs.keys()]).toEqual(['n']);
  });
});

describe('what says nothing of a server', () => {
  test.each<[string, CallEnd]>([
    ['a call that was given up', { status: 'left' }],
    ['a call that passed', { status: 'passed' }],
    ['400', failed(status(400))],
    ['401', failed(status(401))],
    ['422', failed(status(422))],
    ['an answer that was too large', failed(new BackendFailure('too_large', 'large'))],
  ])('changes nothing: %s', (_, end) => {
    expect(called([end])).toEqual(HEALTHY);
  });

  test('costs nothing where a call passed on a healthy server', () => {
    expect(called([{ status: 'passed' }])).toBe(HEALTHY);
    expect(afterStart(HEALTHY, 'm', 1)).toBe(HEALTHY);
  });

  test('a model that it no longer has makes it worth a check', () => {
    const health = called([failed(status(404))]);

    expect([stateOf(health), isSuspicious(health), letsCall(health, 'm', 1)]).toEqual([
      'healthy',
      true,
      true,
    ]);
  });
});
