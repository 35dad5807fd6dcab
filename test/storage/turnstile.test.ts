import { expect, test } from '@jest/globals';
import { createTurnstile } from '../../storage/turnstile.ts';

const BACKGROUND = { isBackground: true };
const turn = () => new Promise((resolve) => setImmediate(resolve));

function setup() {
  const turnstile = createTurnstile();
  const entered: string[] = [];
  const enter = (name: string, options = {}) =>
    turnstile.pass(async () => {
      entered.push(name);
    }, options);
  return { turnstile, entered, enter };
}

test('who comes later and is waited for goes before what is in the background', async () => {
  const { turnstile, entered, enter } = setup();
  const leave = await turnstile.hold();
  const all = [enter('later', BACKGROUND), enter('first'), enter('second')];
  leave();
  await Promise.all(all);
  expect(entered).toEqual(['first', 'second', 'later']);
});

test('what is in the background has its turn although others never cease to come', async () => {
  const { turnstile, entered, enter } = setup();
  let isDone = false;
  let leave = await turnstile.hold();
  const done = enter('background', BACKGROUND).then(() => {
    isDone = true;
  });
  const sinceMs = performance.now();
  for (let count = 0; !isDone; count++) {
    // The next one waits before this one leaves.
    const next = turnstile.hold();
    entered.push(`other ${count}`);
    await turn();
    leave();
    leave = await next;
  }
  await done;
  expect(performance.now() - sinceMs).toBeGreaterThanOrEqual(45);
  expect(entered.indexOf('background')).toBeGreaterThan(0);
});

test('of the background one is let in at a time, and nobody else waits for it to end', async () => {
  const { turnstile, entered, enter } = setup();
  const { promise: until, resolve: end } = Promise.withResolvers<void>();
  const first = turnstile.pass(() => {
    entered.push('one');
    return until;
  }, BACKGROUND);
  await turn();
  const second = enter('two', BACKGROUND);
  await enter('other');
  expect(entered).toEqual(['one', 'other']);
  end();
  await Promise.all([first, second]);
  expect(entered).toEqual(['one', 'other', 'two']);
});

test('one that fails in the background lets the next one in, and a hold keeps all others out', async () => {
  const { turnstile, entered, enter } = setup();
  await expect(turnstile.pass(() => Promise.reject(new Error('no')), BACKGROUND)).rejects.toThrow('no');
  const leave = await turnstile.hold(BACKGROUND);
  const waits = enter('other');
  await turn();
  expect(entered).toEqual([]);
  leave();
  leave();
  await waits;
  await enter('more', BACKGROUND);
  expect(entered).toEqual(['other', 'more']);
});
