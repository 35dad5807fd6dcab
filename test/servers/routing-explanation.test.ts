import { describe, expect, test } from '@jest/globals';
import { ENDLESS, failedWith, held, PASSED, requestFor, setupBalancer } from './balancer-bundle.ts';

describe('the explanation of a decision', () => {
  test('names every server with its score and why', () => {
    const { registry, balancer, call, clock } = setupBalancer({
      busy: { weight: 2 },
      cold: { reports: { m: false } },
      down: {},
      embeds: { capabilities: ['embedding'] },
      free: {},
      full: { max_concurrency: 1 },
      gone: {},
      limited: {},
      other: { reports: { x: null } },
      out: {},
    });
    registry.setDraining('out', true);
    for (let check = 0; check < 3; check++) registry.report('down', null, 1);
    const only = (id: string) => ({
      ...requestFor(
        'm',
        ...registry
          .servers()
          .map(({ address }) => address.id)
          .filter((other) => other !== id),
      ),
    });
    for (let times = 0; times < 3; times++) balancer.tryAcquire(only('busy'));
    balancer.tryAcquire(only('full'));
    held(balancer.tryAcquire(only('gone'))).release(failedWith('refused'));
    held(balancer.tryAcquire(only('limited'))).release(failedWith(429, { retryAfterSeconds: 3 }));
    const free = held(balancer.tryAcquire(only('free')));
    free.answered();
    clock.nowMs += 300;
    free.release(PASSED);
    const before = balancer.inFlight('free');

    const explanation = balancer.explain(requestFor());

    expect(explanation).toEqual({
      assigned: 'free',
      estimatedMs: 300,
      candidates: [
        { server: 'busy', score: 1.5, reason: 'busier, or must load the model: 3 calls in flight' },
        { server: 'cold', score: 4, reason: 'busier, or must load the model: 0 calls in flight' },
        { server: 'down', score: null, reason: 'unhealthy: 3 failed checks in a row' },
        { server: 'embeds', score: null, reason: 'serves only embedding' },
        { server: 'free', score: 0, reason: 'chosen: 0 calls in flight' },
        { server: 'full', score: 1, reason: 'full: 1 calls in flight' },
        { server: 'gone', score: null, reason: 'its calls failed: none goes there for 700 ms' },
        { server: 'limited', score: null, reason: 'rate limited: wants none for 2700 ms' },
        { server: 'other', score: null, reason: 'does not have the model' },
        { server: 'out', score: null, reason: 'draining: an operator has taken it out' },
      ],
    });
    expect(balancer.inFlight('free')).toBe(before);
    expect(call(PASSED)).toBe(explanation.assigned);
  });

  test('where all are full, names the one that is waited for and counts the wait', () => {
    const { balancer, call } = setupBalancer({ a: { max_concurrency: 2 } });
    call(PASSED, { tookMs: 100 });
    for (let times = 0; times < 2; times++) balancer.tryAcquire(requestFor());
    for (let times = 0; times < 3; times++) balancer.waitForSlot(requestFor(), ENDLESS);

    expect(balancer.explain(requestFor())).toEqual({
      assigned: 'a',
      estimatedMs: 300,
      candidates: [{ server: 'a', score: 2, reason: 'chosen, but full (2 calls in flight): the call waits' }],
    });
  });

  test('assigns nothing where nothing has the model', () => {
    const { balancer } = setupBalancer({ a: {} });

    expect(balancer.explain(requestFor('unknown'))).toEqual({
      assigned: null,
      estimatedMs: null,
      candidates: [{ server: 'a', score: null, reason: 'does not have the model' }],
    });
  });

  test.each([
    [true, 'least load 1.00 of 2; loaded'],
    [false, 'least load 4.00 of 2; must load the model'],
    [null, 'least load 1.00 of 2'],
  ])('goes with the slot in a few words, where it is asked for (loaded: %p)', (loaded, reason) => {
    const { balancer } = setupBalancer({ a: { reports: { m: loaded } }, b: { weight: 0.1 } });
    if (loaded !== false) balancer.tryAcquire(requestFor('m', 'b'));
    balancer.tryAcquire(requestFor('m', 'a'));
    const explanation = balancer.explain(requestFor());

    const slot = held(balancer.tryAcquire({ ...requestFor(), explains: true }));

    expect(slot.choice).toEqual({ reason, candidates: explanation.candidates });
    expect(held(balancer.tryAcquire(requestFor())).choice).toBeUndefined();
  });
});
