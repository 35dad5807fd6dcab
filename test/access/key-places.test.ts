import { describe, expect, test } from '@jest/globals';
import { createKeyPlaces } from '../../access/key-places.ts';
import { createLocalLeases } from '../../core/local-leases.ts';

const KEY = 'key:1';
const WAITING_MAX = 64;

function setup({ limit = 1 }: { limit?: number } = {}) {
  const leases = createLocalLeases();
  const places = createKeyPlaces(leases);
  const begun: string[] = [];
  const abort = new AbortController();
  return {
    leases,
    places,
    begun,
    abort,
    take: (signal = new AbortController().signal) => places.take(KEY, limit, signal),
    async wait(name: string, signal = abort.signal) {
      if (await places.take(KEY, limit, signal)) begun.push(name);
    },
    giveBack: () => leases.giveBack(KEY),
  };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('the places of a key', () => {
  test('are had at once while some are free', () => {
    const { take, leases } = setup({ limit: 2 });

    expect([take(), take()]).toEqual([true, true]);
    expect(leases.inUse(KEY)).toBe(2);
  });

  test('are had in the order of asking, as others are given back', async () => {
    const { take, wait, giveBack, begun } = setup();
    expect(take()).toBe(true);
    const all = ['a', 'b', 'c'].map((name) => wait(name));
    await turn();
    expect(begun).toEqual([]);

    for (const _ of all) {
      giveBack();
      await turn();
    }

    expect(begun).toEqual(['a', 'b', 'c']);
  });

  test('are not had by who has given up, and by nobody twice', async () => {
    const { take, wait, giveBack, begun, leases, abort } = setup();
    expect(take()).toBe(true);
    const left = wait('left', AbortSignal.any([abort.signal]));
    const stays = wait('stays', new AbortController().signal);

    abort.abort(new Error('not wanted'));
    await expect(left).rejects.toThrow('not wanted');
    giveBack();
    await stays;

    expect(begun).toEqual(['stays']);
    expect(leases.inUse(KEY)).toBe(1);
  });

  test('are waited for by so many at most', async () => {
    const { take, wait, giveBack, begun } = setup();
    expect(take()).toBe(true);
    for (let count = 0; count < WAITING_MAX; count += 1) wait(`w${count}`);

    expect(take()).toBe(false);
    giveBack();
    await turn();

    expect(begun).toEqual(['w0']);
    expect(take()).toBeInstanceOf(Promise);
  });
});
