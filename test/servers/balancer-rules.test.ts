import { describe, expect, test } from '@jest/globals';
import type { Slot } from '../../servers/slot.ts';
import { waitFor } from '../support/wait-for.ts';
import {
  ENDLESS,
  failedWith,
  held,
  idOf,
  nextTurn,
  PASSED,
  requestFor,
  setupBalancer,
} from './balancer-bundle.ts';

describe('between servers with as many calls', () => {
  test('the one whose first token comes sooner is chosen', () => {
    const { balancer, call, clock } = setupBalancer({ slow: {}, fast: {} });
    call(PASSED, { tookMs: 500 });
    expect(idOf(balancer.tryAcquire(requestFor('m', 'slow')))).toBe('fast');
    clock.nowMs += 20;

    expect(idOf(balancer.tryAcquire(requestFor()))).toBe('slow');
  });

  test('one that was slow once is asked again after a while', () => {
    const { balancer, call, clock } = setupBalancer({ once: {}, other: {} });
    call(PASSED, { tookMs: 500 });
    expect(idOf(balancer.tryAcquire(requestFor()))).toBe('other');

    clock.nowMs += 120_000;
    const again = balancer.tryAcquire(requestFor());

    expect(idOf(again)).toBe('once');
  });

  test('one that has failed a check of late comes after the others, and takes what they cannot', () => {
    const { registry, balancer } = setupBalancer({ flapping: {}, steady: { max_concurrency: 1 } });
    registry.report('flapping', null, 1);

    expect([1, 2].map(() => idOf(balancer.tryAcquire(requestFor())))).toEqual(['steady', 'flapping']);
  });

  test('one that is unhealthy, or drained, gets nothing, and what runs there goes on', () => {
    const { registry, balancer } = setupBalancer({ a: {} });
    const running = held(balancer.tryAcquire(requestFor()));

    registry.setDraining('a', true);
    expect([balancer.tryAcquire(requestFor()), balancer.inFlight('a')]).toEqual(['none', 1]);
    registry.setDraining('a', false);
    running.release(PASSED);

    expect(idOf(balancer.tryAcquire(requestFor()))).toBe('a');
  });
});

describe('a model that a server would have to load', () => {
  const LOADED = { m: true, n: false };

  test('waits while calls for the loaded one are there, but no longer than the hold', async () => {
    const { balancer, clock } = setupBalancer({ a: { reports: LOADED } });
    balancer.tryAcquire(requestFor('m'));
    let got: string | undefined;
    balancer.waitForSlot(requestFor('n'), ENDLESS).then((slot) => {
      got = idOf(slot);
    });

    clock.nowMs = 1_999;
    balancer.tryAcquire(requestFor('m'));
    await nextTurn();
    expect([got, balancer.tryAcquire(requestFor('n'))]).toEqual([undefined, 'busy']);
    clock.nowMs = 2_000;

    // By itself: nothing else happens.
    await waitFor(() => got !== undefined, 'the end of the hold');
    expect(got).toBe('a');
  });

  test('is loaded soon after the last call for the loaded one', async () => {
    const { balancer, clock } = setupBalancer({ a: { reports: LOADED } });
    const last = held(balancer.tryAcquire(requestFor('m')));
    const waiting = balancer.waitForSlot(requestFor('n'), ENDLESS);

    clock.nowMs = 100;
    last.release(PASSED);
    clock.nowMs = 350;

    expect(idOf(await waiting)).toBe('a');
  });

  test('goes at once where nobody uses another one, and to a server that has it loaded', () => {
    const idle = setupBalancer({ a: { reports: LOADED } });
    expect(idOf(idle.balancer.tryAcquire(requestFor('n')))).toBe('a');

    const { balancer } = setupBalancer({ a: { reports: LOADED }, b: { reports: { n: true } } });
    balancer.tryAcquire(requestFor('m'));
    expect(idOf(balancer.tryAcquire(requestFor('n')))).toBe('b');
  });

  test('has the hold of the other one on its side, once it is the loaded one', () => {
    const { balancer, report } = setupBalancer({ a: { reports: LOADED } });
    expect(held(balancer.tryAcquire(requestFor('n'))).loads).toBe(true);

    // Before the server was asked again, too.
    expect([balancer.tryAcquire(requestFor('m')), idOf(balancer.tryAcquire(requestFor('n')))]).toEqual([
      'busy',
      'a',
    ]);
    report('a', { m: true, n: true });
    expect(idOf(balancer.tryAcquire(requestFor('m')))).toBe('a');
  });

  test('with queues for both, models change places no more often than once in a hold', async () => {
    const { balancer, clock } = setupBalancer({ a: { reports: LOADED, max_concurrency: 1 } });
    const served: string[] = [];
    const queue: Slot[] = [];
    const first = held(balancer.tryAcquire(requestFor('m')));
    for (let turn = 0; turn < 100; turn++) {
      for (const model of ['m', 'n']) {
        balancer.waitForSlot(requestFor(model), ENDLESS).then((slot) => {
          if (slot === 'none') return;
          served.push(model);
          queue.push(slot);
        });
      }
    }
    // Each call takes 100 ms.
    let running: Slot | undefined = first;
    for (let turn = 0; turn < 60 && running; turn++) {
      clock.nowMs += 100;
      running.answered();
      running.release(PASSED);
      await nextTurn();
      running = queue.shift();
    }

    const changes = served.filter((model, index) => index > 0 && model !== served[index - 1]).length;
    expect(served.length).toBe(60);
    expect(new Set(served).size).toBe(2);
    expect(changes).toBeLessThanOrEqual(clock.nowMs / 2_000);
  });
});

describe('leases', () => {
  test('are given back once each, however a call ends', () => {
    const { balancer, leases } = setupBalancer({ a: { max_concurrency: 3 } });
    const slots = [1, 2, 3].map(() => held(balancer.tryAcquire(requestFor())));
    expect(leases.inUse('server:a')).toBe(3);

    slots[0]?.release(PASSED);
    slots[0]?.release();
    slots[1]?.release(failedWith(500));
    expect(leases.inUse('server:a')).toBe(1);
    slots[2]?.release();

    expect(leases.inUse('server:a')).toBe(0);
  });

  test('that another process holds count', async () => {
    const { balancer, leases } = setupBalancer({ a: { max_concurrency: 1 } });
    leases.tryTake('server:a', 1);
    expect(balancer.tryAcquire(requestFor())).toBe('busy');
    const waiting = balancer.waitForSlot(requestFor(), ENDLESS);

    leases.giveBack('server:a');

    expect(idOf(await waiting)).toBe('a');
  });

  test('that are all out elsewhere leave the call to the next best server', () => {
    const { balancer, leases } = setupBalancer({ a: { max_concurrency: 1 }, b: {} });
    leases.tryTake('server:a', 1);

    expect(idOf(balancer.tryAcquire(requestFor()))).toBe('b');
  });
});
