import { expect, test } from '@jest/globals';
import { createSharedRead } from '../../dashboards/shared-read.ts';

const EVERY_MS = 1_000;

function setup() {
  const clock = { ms: 0 };
  const readings: PromiseWithResolvers<string>[] = [];
  const read = () => {
    const reading = Promise.withResolvers<string>();
    readings.push(reading);
    return reading.promise;
  };
  const logger = { debug() {} };
  const shared = createSharedRead(read, { everyMs: EVERY_MS, now: () => clock.ms, logger });
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  return { clock, readings, shared, settled };
}

test('however many look, it is read once, and again when that is old', async () => {
  const { clock, readings, shared, settled } = setup();

  expect([shared.look(), shared.look()]).toEqual([null, null]);
  expect(readings).toHaveLength(1);
  readings[0]?.resolve('one');
  await settled();
  expect(shared.look()).toBe('one');
  clock.ms += EVERY_MS;
  expect(shared.look()).toBe('one');
  expect(readings).toHaveLength(2);
});

test('what takes long is read less often, so that it takes up a twentieth of the time', async () => {
  const { clock, readings, shared, settled } = setup();
  shared.look();
  clock.ms += 500;
  readings[0]?.resolve('slow');
  await settled();

  clock.ms = 9_999;
  shared.look();
  expect(readings).toHaveLength(1);
  clock.ms = 10_000;
  shared.look();
  expect(readings).toHaveLength(2);
});

test('a failure leaves what was read, and the next look tries again', async () => {
  const { clock, readings, shared, settled } = setup();
  shared.look();
  readings[0]?.resolve('known');
  await settled();
  clock.ms += EVERY_MS;
  shared.look();
  readings[1]?.reject(new Error('away'));
  await settled();
  clock.ms += EVERY_MS;

  expect(shared.look()).toBe('known');
  expect(readings).toHaveLength(3);
});
