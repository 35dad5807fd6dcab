import { describe, expect, test } from '@jest/globals';
import { createFairOrder, type FairRequest, virtualOf } from '../../jobs/fair-order.ts';

const ask = (keyName: string, more: Partial<FairRequest> = {}): FairRequest => ({
  keyName,
  priority: 'normal',
  tokens: 640,
  weight: 1,
  ...more,
});

/** A queue that runs the lowest tag first and tells the order how far it has come. */
function setup() {
  const order = createFairOrder();
  const queue: { name: string; tag: number; request: FairRequest }[] = [];
  return {
    order,
    add(request: FairRequest, count = 1) {
      for (let index = 0; index < count; index++) {
        queue.push({ name: request.keyName ?? '', tag: order.tagFor(request), request });
      }
    },
    /** Runs `count` requests and gives their keys. */
    run(count: number): string[] {
      return Array.from({ length: count }, () => {
        queue.sort((a, b) => a.tag - b.tag);
        const next = queue.shift();
        if (!next) throw new Error('the queue is empty');
        order.reached(virtualOf(next.tag, next.request.priority));
        return next.name;
      });
    },
  };
}

const countOf = (names: string[], name: string) => names.filter((other) => other === name).length;

describe('a key that comes while another has a thousand requests queued', () => {
  test('has its first request run as the next or the one after', () => {
    const { add, run } = setup();
    add(ask('flood'), 1_000);
    run(100);

    add(ask('other'));

    expect(run(2)).toContain('other');
  });

  test('gets half of the turns from then on, and nothing for the time before', () => {
    const { add, run } = setup();
    add(ask('flood'), 1_000);
    run(500);

    add(ask('other'), 100);

    expect(countOf(run(100), 'other')).toBeGreaterThanOrEqual(49);
    expect(countOf(run(60), 'other')).toBeLessThanOrEqual(31);
  });
});

test('turns are shared by tokens, not by requests', () => {
  const { add, run } = setup();
  add(ask('long', { tokens: 6_400 }), 100);
  add(ask('short'), 100);

  const names = run(88);

  expect(countOf(names, 'short')).toBe(80);
  expect(countOf(names, 'long')).toBe(8);
});

test('a key of weight 3 gets three turns to another one', () => {
  const { add, run } = setup();
  add(ask('heavy', { weight: 3, tokens: 1_920 }), 100);
  add(ask('light', { tokens: 1_920 }), 100);

  expect(countOf(run(80), 'heavy')).toBeGreaterThanOrEqual(58);
});

test('priorities go before each other', () => {
  const { add, run } = setup();
  for (const priority of ['low', 'normal', 'high', 'critical'] as const) {
    add(ask(priority, { priority }), 3);
  }

  expect(run(12)).toEqual(['critical', 'high', 'normal', 'low'].flatMap((name) => [name, name, name]));
});

test('a low request runs although others of each higher priority keep coming', () => {
  const { add, run } = setup();
  add(ask('low', { priority: 'low' }));
  let turns = 0;

  for (let name = ''; name !== 'low'; turns++) {
    if (turns > 5_000) throw new Error('low is starved');
    add(ask(`critical ${turns % 3}`, { priority: 'critical' }));
    add(ask(`normal ${turns % 3}`));
    [name = ''] = run(1);
  }

  expect(turns).toBeGreaterThan(100);
});

test('tags stay numbers that the queue takes, however much has been asked for', () => {
  const { order } = setup();

  const tags = Array.from({ length: 1_000 }, () => order.tagFor(ask('a', { tokens: 1e9, priority: 'low' })));

  expect(Math.max(...tags)).toBe(2 ** 21 - 1);
  expect(order.tagFor(ask('b', { tokens: 0, priority: 'critical' }))).toBe(2);
  expect(Number.isInteger(order.tagFor(ask('c', { tokens: 7.3, weight: 0.3 })))).toBe(true);
});

test('a worn order begins anew', () => {
  const { order } = setup();
  const first = order.tagFor(ask('a'));
  expect(order.isWorn()).toBe(false);
  order.reached(2 ** 20);
  expect(order.isWorn()).toBe(true);

  order.reset();

  expect(order.isWorn()).toBe(false);
  expect(order.tagFor(ask('a'))).toBe(first);
});
