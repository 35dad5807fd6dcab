import { expect, test } from '@jest/globals';
import type { JobId } from '../../core/ids.ts';
import { createWaitingLine } from '../../jobs/waiting-line.ts';

const idOf = (index: number) => `job_${index}` as JobId;

function setup(count = 0) {
  const clock = { ms: 0 };
  const line = createWaitingLine(() => clock.ms);
  for (let index = 0; index < count; index++) line.join(idOf(index), 10 * index);
  return { clock, line };
}

test('a place is counted from 1, in the order of the tags', () => {
  const { line } = setup(3);
  line.join(idOf(9), 5);

  expect([...line.places()].map(([id, { position }]) => [id, position])).toEqual([
    ['job_0', 1],
    ['job_9', 2],
    ['job_1', 3],
    ['job_2', 4],
  ]);
  expect(line.placeFor(15).position).toBe(4);
});

test('until the line has moved nothing is said of when a turn comes', () => {
  const { line, clock } = setup(10);
  clock.ms = 5_000;

  expect(line.placeFor(1_000)).toEqual({ position: 11, etaMs: null });
});

test('when a turn comes is told by how fast the line has moved', () => {
  const { line, clock } = setup(20);
  for (let index = 0; index < 10; index++) {
    clock.ms += 200;
    line.advance(idOf(index));
  }

  const { position, etaMs } = line.placeFor(1_000);

  expect(position).toBe(11);
  expect(etaMs).toBeGreaterThan(1_700);
  expect(etaMs).toBeLessThan(2_500);
});

test('a line that stands still takes longer and longer', () => {
  const { line, clock } = setup(20);
  for (let index = 0; index < 10; index++) {
    clock.ms += 200;
    line.advance(idOf(index));
  }
  const before = line.placeFor(1_000).etaMs ?? 0;

  clock.ms += 10_000;

  expect(line.placeFor(1_000).etaMs).toBeGreaterThan(3 * before);
});

test('who ran at once says nothing of how fast the line moves', () => {
  const { line, clock } = setup(64);
  clock.ms += 20;
  for (let index = 0; index < 60; index++) line.advance(idOf(index));

  expect(line.placeFor(1_000).etaMs).toBeNull();
});

test('who leaves is in nobody’s way, and who comes back stands where it stood', () => {
  const { line, clock } = setup(3);
  line.leave(idOf(0));
  expect(line.places().get(idOf(1))?.position).toBe(1);

  clock.ms += 500;
  line.advance(idOf(1));
  line.join(idOf(1), 10);

  expect(line.places().get(idOf(1))?.position).toBe(1);
  expect(line.size).toBe(2);
});

test('it knows how many of each priority wait, whoever comes back, moves on or leaves', () => {
  const { line } = setup();
  line.join(idOf(1), 10, 'high');
  line.join(idOf(2), 20, 'low');
  line.join(idOf(3), 30, 'low');
  line.join(idOf(4), 40);
  line.join(idOf(2), 5);
  line.join(idOf(1), 5, 'critical');
  expect(line.sizes).toEqual({ low: 2, normal: 1, high: 0, critical: 1 });

  line.advance(idOf(1));
  line.leave(idOf(2));
  line.leave(idOf(9));
  expect(line.sizes).toEqual({ low: 1, normal: 1, high: 0, critical: 0 });
});
