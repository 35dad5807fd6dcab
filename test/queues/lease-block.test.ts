import { describe, expect, test } from '@jest/globals';
import { createLeaseBlock, type LeaseBlock } from '../../queues/lease-block.ts';

const LIMIT = 10;

function setup() {
  let clockMs = 0;
  const block = createLeaseBlock(() => clockMs);
  return {
    block,
    pass: (ms: number) => {
      clockMs += ms;
    },
    takeMany: (count: number) =>
      Array.from({ length: count }, () => block.tryTake(LIMIT)).filter(Boolean).length,
  };
}

/** Has the block ask, and Redis grant `units`. */
function grant(block: LeaseBlock, units: number, answer: { keep?: number; othersWant?: boolean } = {}) {
  const word = block.speak();
  block.hear({ units, keep: units, othersWant: false, ...answer });
  return word;
}

describe('a block of units', () => {
  test('is used up to its size, and what is given back is used again', () => {
    const { block, takeMany } = setup();
    expect(takeMany(1)).toBe(0);
    grant(block, 3);
    expect(takeMany(5)).toBe(3);
    block.giveBack();
    expect(takeMany(5)).toBe(1);
  });

  test('is out of use before Redis gives it to another', () => {
    const { block, pass, takeMany } = setup();
    block.tryTake(LIMIT);
    grant(block, 3);
    pass(4_899);
    expect(takeMany(1)).toBe(1);
    pass(1);
    expect(takeMany(1)).toBe(0);
  });

  test('counts its time from the question, not from the answer', () => {
    const { block, pass, takeMany } = setup();
    block.tryTake(LIMIT);
    block.speak();
    pass(4_900);
    block.hear({ units: 3, keep: 3, othersWant: false });
    expect(takeMany(1)).toBe(0);
  });

  test('gives out nothing that it has just offered to give back', () => {
    const { block, takeMany } = setup();
    block.tryTake(LIMIT);
    grant(block, 5, { othersWant: true });
    takeMany(1);

    expect(block.speak()).toMatchObject({ used: 1, hold: 1 });

    expect(takeMany(1)).toBe(0);
    block.hearNothing();
    expect(takeMany(1)).toBe(0);
  });

  test('keeps what is due to others out of use, and gives it back as soon as it is idle', () => {
    const { block, takeMany } = setup();
    block.tryTake(LIMIT);
    grant(block, 6);
    takeMany(6);
    grant(block, 6, { keep: 4, othersWant: true });
    block.giveBack();
    expect(takeMany(1)).toBe(0);
    expect(block.untilDueMs()).toBe(0);
    expect(block.speak()).toMatchObject({ used: 5, hold: 5 });
  });

  test('asks ahead when it runs out, and in vain only once a heartbeat', () => {
    const { block, pass, takeMany } = setup();
    block.tryTake(LIMIT);
    grant(block, 4);
    takeMany(4);
    expect(block.untilDueMs()).toBe(0);
    expect(grant(block, 4)).toMatchObject({ used: 4, want: 5, isHungry: false });

    expect(block.untilDueMs()).toBeGreaterThan(1_000);
    pass(1_500);
    expect(grant(block, 4)).toMatchObject({ used: 4, want: 5, isHungry: false });
    expect(block.untilDueMs()).toBeGreaterThan(1_000);
  });

  test('that nobody has used since the last heartbeat is given back', () => {
    const { block, pass, takeMany } = setup();
    block.tryTake(LIMIT);
    grant(block, 4);
    takeMany(2);
    block.giveBack();
    block.giveBack();
    pass(1_500);
    expect(grant(block, 3)).toMatchObject({ used: 0, hold: 3 });
    pass(1_500);
    expect(grant(block, 0)).toMatchObject({ used: 0, hold: 0, want: 0 });
    expect(block.isEmpty()).toBe(true);
  });

  test('says what it uses, however little of it is granted', () => {
    const { block, pass, takeMany } = setup();
    block.tryTake(LIMIT);
    grant(block, 4);
    takeMany(4);
    pass(10_000);
    expect(block.speak()).toMatchObject({ used: 4, hold: 4 });
  });

  test('asks for as many as were refused, up to the limit', () => {
    const { block } = setup();
    for (let at = 0; at < 30; at += 1) {
      block.tryTake(LIMIT);
      block.refuse();
    }
    expect(block.speak()).toEqual({ used: 0, hold: 0, want: 10, isHungry: true, limit: LIMIT });
  });

  test('tries again after a pause while Redis does not answer', () => {
    const { block } = setup();
    block.tryTake(LIMIT);
    block.refuse();
    block.speak();
    block.hearNothing();
    block.refuse();
    expect(block.untilDueMs()).toBeGreaterThan(100);
  });
});
