import { describe, expect, test } from '@jest/globals';
import { createKeyRing } from '../../access/key-ring.ts';
import type { KeyRecord } from '../../access/key-store.ts';
import { createLogger } from '../../core/logger.ts';
import { newKeyRecord } from './key-record.ts';

function setup(keys: KeyRecord[] = [newKeyRecord()]) {
  const store = { keys, revision: 1, isDown: false, reads: 0 };
  const told: string[] = [];
  const ring = createKeyRing({
    store: {
      async revision() {
        if (store.isDown) throw new Error('away');
        return store.revision;
      },
      async all() {
        store.reads += 1;
        return store.keys;
      },
    },
    logger: createLogger({ level: 'silent' }),
  });
  const change = (next: KeyRecord[]) => {
    store.keys = next;
    store.revision += 1;
    return ring.refresh();
  };
  return { ring, store, told, change };
}

describe('the ring of keys', () => {
  test('has nothing, and says so, until the store has answered once', async () => {
    const { ring, store } = setup();
    store.isDown = true;
    await expect(ring.refresh()).rejects.toThrow('away');
    expect([ring.isRead(), ring.size(), ring.find('d1')]).toEqual([false, 0, null]);

    store.isDown = false;
    await ring.refresh();

    expect([ring.isRead(), ring.size(), ring.find('d1')?.name]).toEqual([true, 1, 'team']);
  });

  test('keeps what it knows while the store is away', async () => {
    const { ring, store } = setup();
    await ring.refresh();
    store.isDown = true;

    await expect(ring.refresh()).rejects.toThrow('away');

    expect(ring.find('d1')?.name).toBe('team');
    expect(ring.isRevoked('key_1')).toBe(false);
  });

  test('reads the keys only when the revision has changed', async () => {
    const { ring, store, change } = setup();
    for (let turn = 0; turn < 5; turn++) await ring.refresh();
    expect(store.reads).toBe(1);

    await change([newKeyRecord({ weight: 3 })]);

    expect(store.reads).toBe(2);
    expect(ring.find('d1')?.weight).toBe(3);
  });

  test.each([
    ['revoked', [newKeyRecord({ revokedAt: new Date() })]],
    ['deleted', []],
  ])('tells of a key that is %s those who run calls of it, and no others', async (_, after) => {
    const { ring, told, change } = setup();
    const other = newKeyRecord({ id: 'key_2', digest: 'd2', name: 'other' });
    await change([newKeyRecord(), other]);
    ring.onRevoked('key_1', () => told.push('one'));
    const leave = ring.onRevoked('key_1', () => told.push('two'));
    ring.onRevoked('key_1', () => told.push('three'));
    ring.onRevoked('key_2', () => told.push('other'));
    ring.onRevoked(undefined, () => told.push('nobody'));
    leave();

    await change([...after, other]);

    expect(told).toEqual(['one', 'three']);
    expect([ring.isRevoked('key_1'), ring.isRevoked('key_2')]).toEqual([true, false]);
  });

  test('of two reads at once keeps the newer', async () => {
    const { ring, store } = setup();
    const first = ring.refresh();
    store.keys = [newKeyRecord({ name: 'newer' })];
    store.revision += 1;

    await Promise.all([first, ring.refresh()]);

    expect(ring.find('d1')?.name).toBe('newer');
  });
});
