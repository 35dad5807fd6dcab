import { describe, expect, test } from '@jest/globals';
import { createBalancer } from '../../servers/balancer.ts';
import { createRegistry } from '../../servers/registry.ts';
import type { Slot } from '../../servers/slot.ts';
import { registrationOf } from './registration.ts';

const RULES = { models: { lightweight: [], heavyweight: [], embedding: [] } };

/** `servers` by id; each has the model `m` unless it says otherwise. */
function setup(servers: Record<string, Parameters<typeof registrationOf>[1]>) {
  const registry = createRegistry(RULES);
  const balancer = createBalancer({ registry });
  for (const [id, fields] of Object.entries(servers))
    registry.put(registrationOf(id, { models: ['m'], ...fields }));
  return { registry, balancer };
}

function requestFor(model = 'm', ...tried: string[]) {
  return { model, modelClass: 'lightweight', tried: new Set(tried) } as const;
}

const ENDLESS = new AbortController().signal;

function idOf(slot: Slot | 'busy' | 'none') {
  return typeof slot === 'string' ? slot : slot.server.address.id;
}

function held(slot: Slot | 'busy' | 'none'): Slot {
  if (typeof slot === 'string') throw new Error(`no slot: ${slot}`);
  return slot;
}

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

describe('the choice of a server', () => {
  test('falls on the one with the fewest calls in flight', () => {
    const { balancer } = setup({ a: {}, b: {} });

    expect([1, 2, 3, 4].map(() => idOf(balancer.tryAcquire(requestFor())))).toEqual(['a', 'b', 'a', 'b']);
  });

  test('counts calls by weight', () => {
    const { balancer } = setup({ strong: { weight: 3 }, weak: {} });

    for (let call = 0; call < 8; call++) balancer.tryAcquire(requestFor());

    expect({ strong: balancer.inFlight('strong'), weak: balancer.inFlight('weak') }).toEqual({
      strong: 6,
      weak: 2,
    });
  });

  test('prefers one that has the model loaded, by as much as four calls', () => {
    const { registry, balancer } = setup({ cold: {}, warm: {} });
    registry.report('cold', { models: [{ id: 'm', loaded: false }] }, 1);
    registry.report('warm', { models: [{ id: 'm', loaded: true }] }, 1);

    const calls = [1, 2, 3, 4, 5].map(() => idOf(balancer.tryAcquire(requestFor())));
    expect(calls).toEqual(['warm', 'warm', 'warm', 'warm', 'cold']);
  });

  test.each([
    ['has not the model', { models: ['other'] }],
    ['serves other classes', { capabilities: ['embedding'] }],
  ])('never falls on one that %s', (_, fields) => {
    const { balancer } = setup({ wrong: fields });

    expect(balancer.tryAcquire(requestFor())).toBe('none');
  });

  test('never falls on one that is unhealthy, or that the job has failed on', () => {
    const { registry, balancer } = setup({ a: {}, b: {} });
    registry.report('a', null, 1);

    expect(idOf(balancer.tryAcquire(requestFor()))).toBe('b');
    expect(balancer.tryAcquire(requestFor('m', 'b'))).toBe('none');
  });

  test('finds a model without its :latest', () => {
    const { balancer } = setup({ a: { models: ['m:latest'] } });

    expect(idOf(balancer.tryAcquire(requestFor()))).toBe('a');
  });
});

describe('slots', () => {
  test('a server is never given more calls at once than its max_concurrency', () => {
    const { balancer } = setup({ a: { max_concurrency: 2 } });

    const answers = [1, 2, 3].map(() => idOf(balancer.tryAcquire(requestFor())));

    expect(answers).toEqual(['a', 'a', 'busy']);
    expect(balancer.inFlight('a')).toBe(2);
  });

  test('given back twice counts once', () => {
    const { balancer } = setup({ a: { max_concurrency: 2 } });
    const slot = held(balancer.tryAcquire(requestFor()));
    balancer.tryAcquire(requestFor());

    slot.release();
    slot.release();

    expect(balancer.inFlight('a')).toBe(1);
  });

  test('still count when their server is registered anew', () => {
    const { registry, balancer } = setup({ a: { max_concurrency: 1 } });
    const slot = held(balancer.tryAcquire(requestFor()));

    registry.put(registrationOf('a', { models: ['m'], max_concurrency: 1 }));
    expect(balancer.tryAcquire(requestFor())).toBe('busy');

    slot.release();
    expect(idOf(balancer.tryAcquire(requestFor()))).toBe('a');
  });
});

describe('jobs that wait', () => {
  /** A full server `a` for the models `m` and `n`, its slot, and who got a slot after that. */
  function setupFull() {
    const { registry, balancer } = setup({ a: { models: ['m', 'n'], max_concurrency: 1 } });
    const slot = held(balancer.tryAcquire(requestFor()));
    const served: string[] = [];
    const slots: Slot[] = [];
    const wait = (name: string, request = requestFor(), signal = ENDLESS) =>
      balancer.waitForSlot(request, signal).then((result) => {
        served.push(`${name}: ${idOf(result)}`);
        if (result !== 'none') slots.push(result);
      });
    return { registry, balancer, slot, served, slots, wait };
  }

  test('for one model get slots in the order in which they came, before newcomers', async () => {
    const { balancer, slot, served, slots, wait } = setupFull();
    wait('first');
    wait('second');

    slot.release();
    await nextTurn();
    expect(served).toEqual(['first: a']);
    expect(balancer.tryAcquire(requestFor())).toBe('busy');

    slots[0]?.release();
    await nextTurn();
    expect(served).toEqual(['first: a', 'second: a']);
  });

  test('for different models on a full server take turns, however many wait for one', async () => {
    const { slot, served, slots, wait } = setupFull();
    wait('m1');
    wait('m2');
    wait('m3');
    wait('n1', requestFor('n'));

    slot.release();
    await nextTurn();
    slots[0]?.release();
    await nextTurn();

    expect(served).toEqual(['m1: a', 'n1: a']);
  });

  test('do not hold up one behind them that another server can serve', async () => {
    const { registry, served, wait } = setupFull();
    wait('tried b', requestFor('m', 'b'));
    wait('new');

    registry.put(registrationOf('b', { models: ['m'] }));
    await nextTurn();

    expect(served).toEqual(['new: b']);
  });

  test('learn at once that the last server that could serve them is gone', async () => {
    const { registry, served, wait } = setupFull();
    wait('first');

    registry.report('a', null, 1);
    await nextTurn();

    expect(served).toEqual(['first: none']);
  });

  test('get a free slot, or none, without waiting', async () => {
    const { balancer } = setup({ a: {} });

    expect(idOf(await balancer.waitForSlot(requestFor(), ENDLESS))).toBe('a');
    expect(await balancer.waitForSlot(requestFor('unknown'), ENDLESS)).toBe('none');
  });

  test('leave when their signal aborts, and no slot is spent on them', async () => {
    const { balancer, slot, served, wait } = setupFull();
    const leaving = new AbortController();
    const left = wait('leaving', requestFor(), leaving.signal);
    wait('staying');

    leaving.abort(new Error('gone'));
    await expect(left).rejects.toThrow('gone');
    slot.release();
    await nextTurn();

    expect(served).toEqual(['staying: a']);
    expect(balancer.inFlight('a')).toBe(1);
  });

  test('whose signal is aborted already are not queued', async () => {
    const { balancer, slot } = setupFull();

    await expect(
      (async () => balancer.waitForSlot(requestFor(), AbortSignal.abort(new Error('gone'))))(),
    ).rejects.toThrow('gone');
    slot.release();

    expect(balancer.inFlight('a')).toBe(0);
  });

  test('are told "none" by tryAcquire where no server could ever serve them', async () => {
    const { balancer, wait } = setupFull();
    wait('first');

    expect(balancer.tryAcquire(requestFor('m', 'a'))).toBe('none');
  });
});
