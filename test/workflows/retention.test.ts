import { expect, test } from '@jest/globals';
import { createRetention } from '../../workflows/retention.ts';

function setup(days = { runs: 30, events: 7, ledger: 90 }) {
  const asked: string[] = [];
  const clock = { ms: 0 };
  const left = { runs: 0, events: 0, ledger: 0, expired: 0 };
  const take = (kind: keyof typeof left) => async (first: number, second?: number) => {
    const max = second ?? first;
    asked.push(kind);
    clock.ms += 200;
    const taken = Math.min(max, left[kind]);
    left[kind] -= taken;
    return taken;
  };
  const store = {
    runs: take('runs'),
    events: take('events'),
    ledger: take('ledger'),
    expired: take('expired'),
  };
  const tick = createRetention({ store, days, now: () => clock.ms });
  return { asked, clock, left, tick };
}

test('a start is left alone, then each kind is looked for, and then there is rest', async () => {
  const { asked, clock, tick } = setup();

  await tick();
  expect(asked).toEqual([]);
  clock.ms = 30_000;
  await tick();
  await tick();
  expect(asked).toEqual(['runs', 'events', 'ledger', 'expired']);
  clock.ms += 600_000;
  await tick();
  expect(asked).toHaveLength(8);
});

test('a turn ends when its time is over, and the next one goes on', async () => {
  const { asked, clock, left, tick } = setup();
  left.runs = 1_000;
  clock.ms = 30_000;

  await tick();
  expect(asked).toEqual(['runs', 'runs', 'runs']);
  await tick();
  expect(left.runs).toBe(1_000 - 6 * 50);
});

test('what is kept for good is not looked for', async () => {
  const { asked, clock, tick } = setup({ runs: 0, events: 0, ledger: 0 });
  clock.ms = 30_000;

  await tick();

  expect(asked).toEqual(['expired']);
});
