import { describe, expect, test } from '@jest/globals';
import { ENDLESS, failedWith, held, idOf, PASSED, requestFor, setupBalancer } from './balancer-bundle.ts';
import { registrationOf } from './registration.ts';

describe('a server that fails calls', () => {
  test('gets none after one that could not connect, until a check has passed', () => {
    const { balancer, call, report } = setupBalancer({ a: {} });
    call(failedWith('refused'));
    expect(balancer.tryAcquire(requestFor())).toBe('none');
    expect(balancer.refusal(requestFor())).toEqual({ code: 'no_healthy_server', retryAfterSeconds: 1 });

    report('a', { m: null });

    expect(idOf(balancer.tryAcquire(requestFor()))).toBe('a');
  });

  test("goes on getting calls whatever one caller's input does to it", () => {
    const { balancer, call } = setupBalancer({ a: {} });
    for (let times = 0; times < 100; times++) call(failedWith(500, { caller: 'poison' }));

    expect(idOf(balancer.tryAcquire(requestFor()))).toBe('a');
  });

  test('gets none when two callers had it, and then exactly one probe', () => {
    const { balancer, call, clock } = setupBalancer({ a: {} });
    for (let times = 0; times < 5; times++) call(failedWith(500, { caller: times % 2 === 0 ? 'a' : 'b' }));
    expect(balancer.tryAcquire(requestFor())).toBe('none');

    clock.nowMs += 1_000;
    const probe = held(balancer.tryAcquire(requestFor()));
    expect([1, 2, 3].map(() => balancer.tryAcquire(requestFor()))).toEqual(['none', 'none', 'none']);
    probe.answered();

    expect(idOf(balancer.tryAcquire(requestFor()))).toBe('a');
  });

  test('gets its probe though another server is idle, since nothing else can show that it is well', () => {
    const { call, clock } = setupBalancer({ a: {}, b: {} });
    for (let times = 0; times < 5; times++) {
      expect(call(failedWith(500, { caller: String(times) }))).toBe('a');
    }
    expect(call(PASSED)).toBe('b');

    clock.nowMs += 1_000;

    expect([call(failedWith(500)), call(PASSED), call(PASSED)]).toEqual(['a', 'b', 'b']);
  });

  test('keeps its other models', () => {
    const { balancer, call } = setupBalancer({ a: { models: ['m', 'n'] } });
    for (let times = 0; times < 5; times++) call(failedWith(500, { caller: String(times) }));

    expect([idOf(balancer.tryAcquire(requestFor('m'))), idOf(balancer.tryAcquire(requestFor('n')))]).toEqual([
      'none',
      'a',
    ]);
  });

  test('is not forgiven by being registered anew at the same address', () => {
    const { registry, balancer, call } = setupBalancer({ a: {} });
    call(failedWith('refused'));

    registry.put(registrationOf('a', { models: ['m'], weight: 2 }));
    expect(balancer.tryAcquire(requestFor())).toBe('none');
    registry.put(registrationOf('a', { models: ['m'], port: 9001 }));

    expect(idOf(balancer.tryAcquire(requestFor()))).toBe('a');
  });

  test('does not keep the jobs waiting that no other server can take', async () => {
    const { balancer } = setupBalancer({ a: { max_concurrency: 1 } });
    const slot = held(balancer.tryAcquire(requestFor()));
    const waiting = balancer.waitForSlot(requestFor(), ENDLESS);

    slot.release(failedWith('refused'));

    expect(await waiting).toBe('none');
  });
});

describe('a server where an answer broke off', () => {
  const stream = { ...requestFor(), isStream: true };

  test('gets no stream while another can take it, and whole answers as before', () => {
    const { balancer, call } = setupBalancer({ a: {}, b: {} });
    expect(call(failedWith(500), { hasBegun: true })).toBe('a');
    const slot = held(balancer.tryAcquire(stream));
    expect(idOf(slot)).toBe('b');

    // Busier than the other one, too.
    expect(idOf(balancer.tryAcquire(stream))).toBe('b');
    expect(idOf(balancer.tryAcquire(requestFor()))).toBe('a');
  });

  test('gets streams where no other server has the model', () => {
    const { balancer, call } = setupBalancer({ a: {} });
    call(failedWith(500), { hasBegun: true });

    expect(idOf(balancer.tryAcquire(stream))).toBe('a');
  });

  test.each([
    ['a call has passed as a whole', (bundle: ReturnType<typeof setupBalancer>) => bundle.call(PASSED)],
    ['10 s have passed', ({ clock }: ReturnType<typeof setupBalancer>) => (clock.nowMs += 10_000)],
  ])('gets them again once %s', (_, change) => {
    const bundle = setupBalancer({ a: {}, b: {} });
    bundle.call(failedWith(500), { hasBegun: true });
    expect(idOf(bundle.balancer.tryAcquire({ ...stream, tried: new Set() }))).toBe('b');

    change(bundle);

    expect(idOf(bundle.balancer.tryAcquire(stream))).toBe('a');
  });

  test("lets no others in again by its probe's first token, only by its end", () => {
    const { balancer, call, clock } = setupBalancer({ a: {} });
    for (let times = 0; times < 5; times++)
      call(failedWith(500, { caller: String(times) }), { hasBegun: true });
    clock.nowMs += 1_000;

    const probe = held(balancer.tryAcquire(requestFor()));
    probe.answered();
    expect(balancer.tryAcquire(requestFor())).toBe('none');
    probe.release(PASSED);

    expect(idOf(balancer.tryAcquire(requestFor()))).toBe('a');
  });
});

test('failed calls say nothing of their server where that is switched off', () => {
  const { call } = setupBalancer({ a: {}, b: {} }, { learnsFromCalls: false });

  expect([call(failedWith('refused')), call(failedWith('refused'))]).toEqual(['a', 'a']);
});

describe('a server that answered 429', () => {
  test.each([
    [undefined, 1_000],
    [7, 7_000],
    [3_600, 60_000],
  ])('with Retry-After %p gets no call for %d ms', (retryAfterSeconds, forMs) => {
    const { balancer, call, clock } = setupBalancer({ a: {} });
    call(failedWith(429, { retryAfterSeconds }));

    clock.nowMs += forMs - 1;
    expect(balancer.tryAcquire(requestFor())).toBe('none');
    expect(balancer.refusal(requestFor())).toEqual({ code: 'rate_limit_exceeded', retryAfterSeconds: 1 });
    clock.nowMs += 1;

    expect(idOf(balancer.tryAcquire(requestFor()))).toBe('a');
  });

  test('leaves the calls to the others', () => {
    const { call } = setupBalancer({ a: {}, b: {} });
    call(failedWith(429, { retryAfterSeconds: 5 }));

    expect([call(PASSED), call(PASSED)]).toEqual(['b', 'b']);
  });
});
