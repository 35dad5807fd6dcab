import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Leases } from '../../core/leases.ts';
import { waitFor } from '../support/wait-for.ts';

export interface LeasesFixture {
  open(): Leases;
  close(): Promise<void>;
}

/** What leases guarantee to one process, whatever they are kept in. */
export function leasesSuite(start: () => Promise<LeasesFixture>): void {
  let fixture: LeasesFixture;
  let leases: Leases;

  beforeAll(async () => {
    fixture = await start();
    leases = fixture.open();
  });

  afterAll(async () => {
    await leases?.close();
    await fixture?.close();
  });

  const newName = () => `thing ${randomUUID()}`;

  /** Takes without asking, as soon as there is one. */
  async function takeFree(name: string, limit: number): Promise<void> {
    await waitFor(() => leases.tryTake(name, limit), 'a free unit');
  }

  test('up to the limit units are taken, and none beyond it', async () => {
    const name = newName();
    const taken = await Promise.all(Array.from({ length: 8 }, () => leases.take(name, 5)));
    expect(taken.filter(Boolean)).toHaveLength(5);
    expect(leases.inUse(name)).toBe(5);
    expect(leases.tryTake(name, 5)).toBe(false);
  });

  test('a unit that was given back is taken again', async () => {
    const name = newName();
    expect(await leases.take(name, 1)).toBe(true);
    expect(await leases.take(name, 1)).toBe(false);

    leases.giveBack(name);

    expect(leases.inUse(name)).toBe(0);
    expect(await leases.take(name, 1)).toBe(true);
    expect(leases.inUse(name)).toBe(1);
  });

  test('a first unit is there for who does not ask, soon', async () => {
    const name = newName();
    await takeFree(name, 3);
    expect(leases.inUse(name)).toBe(1);
  });

  test('who was refused hears when a unit is free', async () => {
    const name = newName();
    await leases.take(name, 1);
    expect(leases.tryTake(name, 1)).toBe(false);
    const heard: string[] = [];
    const end = leases.onFree((freed) => heard.push(freed));

    leases.giveBack(name);

    await waitFor(() => heard.includes(name), 'the listener is called');
    expect(leases.tryTake(name, 1)).toBe(true);
    end();
  });

  test('a listener that has ended hears nothing', async () => {
    const name = newName();
    await leases.take(name, 1);
    leases.tryTake(name, 1);
    const heard: string[] = [];
    leases.onFree((freed) => heard.push(freed))();

    leases.giveBack(name);
    await takeFree(name, 1);

    expect(heard).toEqual([]);
  });

  test('giving back what nobody took makes no unit', async () => {
    const name = newName();
    leases.giveBack(name);
    expect(leases.inUse(name)).toBe(0);
    const taken = await Promise.all(Array.from({ length: 3 }, () => leases.take(name, 2)));
    expect(taken.filter(Boolean)).toHaveLength(2);
    leases.giveBack(name);
    leases.giveBack(name);
    leases.giveBack(name);
    expect(leases.inUse(name)).toBe(0);
    const again = await Promise.all(Array.from({ length: 3 }, () => leases.take(name, 2)));
    expect(again.filter(Boolean)).toHaveLength(2);
  });

  test('a limit that sank holds at once for new units, and leaves those in use', async () => {
    const name = newName();
    for (let at = 0; at < 4; at += 1) await leases.take(name, 4);

    expect(await leases.take(name, 2)).toBe(false);
    expect(leases.inUse(name)).toBe(4);
    leases.giveBack(name);
    leases.giveBack(name);
    expect(await leases.take(name, 2)).toBe(false);
    leases.giveBack(name);
    expect(await leases.take(name, 2)).toBe(true);
    expect(leases.inUse(name)).toBe(2);
  });

  test('a limit that rose holds at once', async () => {
    const name = newName();
    await leases.take(name, 1);
    expect(await leases.take(name, 3)).toBe(true);
    expect(leases.inUse(name)).toBe(2);
  });

  test('a limit of 0 gives nothing', async () => {
    const name = newName();
    expect(leases.tryTake(name, 0)).toBe(false);
    expect(await leases.take(name, 0)).toBe(false);
  });

  test('names do not share units', async () => {
    const [one, other] = [newName(), newName()];
    await leases.take(one, 1);
    expect(await leases.take(other, 1)).toBe(true);
    leases.giveBack(one);
    expect(leases.inUse(other)).toBe(1);
  });

  test('nothing is given out after the close, which may be called twice', async () => {
    const own = fixture.open();
    const name = newName();
    expect(await own.take(name, 2)).toBe(true);

    await own.close();
    await own.close();

    expect(own.tryTake(name, 2)).toBe(false);
    expect(own.inUse(name)).toBe(0);
    own.giveBack(name);
    expect(own.inUse(name)).toBe(0);
  });
}
