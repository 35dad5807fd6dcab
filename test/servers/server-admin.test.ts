import { describe, expect, test } from '@jest/globals';
import { AppError } from '../../core/errors.ts';
import { createRegistry } from '../../servers/registry.ts';
import { createServerAdmin, type ServerAdmin } from '../../servers/server-admin.ts';
import { createServerOverlay } from '../../servers/server-overlay.ts';
import type { ServerRow, ServerStore } from '../../servers/server-store.ts';
import { registrationOf } from './registration.ts';

/** The admin over a store in memory, with a sync that only applies. `away`: the store does not answer. */
function setup({ away = false } = {}) {
  const registry = createRegistry({ models: { lightweight: [], heavyweight: [], embedding: [] } });
  const overlay = createServerOverlay(registry, () => undefined);
  const rows = new Map<string, ServerRow>();
  const store: ServerStore = {
    revision: async () => 0,
    read: async () => ({ revision: 0, rows: [...rows.values()] }),
    async change(id, decide) {
      if (away) throw new AppError('store_unavailable', 'away');
      const row = decide(rows.get(id) ?? null);
      if (row) rows.set(id, row);
      else rows.delete(id);
      return { previous: 0, revision: 1, id, row };
    },
  };
  const admin = createServerAdmin({
    registry,
    overlay,
    store,
    sync: { publish: async ({ id, row }) => void overlay.set(id, row) },
    isAllowed: async (hostname) => hostname !== 'outside',
    readKey: () => undefined,
    ask: async () => null,
  });
  return { registry, rows, admin };
}

describe('the admin of servers', () => {
  test('a registration that cannot be written is not in force', async () => {
    const { admin, registry } = setup({ away: true });

    await expect(admin.register(registrationOf('a'))).rejects.toMatchObject({ code: 'store_unavailable' });

    expect(registry.servers()).toEqual([]);
  });

  test('there are a thousand servers at most, and one that is there is still updated', async () => {
    const { admin, registry } = setup();
    for (let index = 0; index < 1_000; index++) registry.put(registrationOf(`s${index}`));

    await expect(admin.register(registrationOf('one-more'))).rejects.toMatchObject({
      code: 'invalid_request',
    });
    expect(await admin.register(registrationOf('s7', { weight: 2 }))).toEqual({ created: false });
  });

  test('a registered server that is removed leaves no row, one of the configuration leaves a word', async () => {
    const { admin, registry, rows } = setup();
    registry.put(registrationOf('configured'));
    await admin.register(registrationOf('registered'));

    await admin.remove('registered');
    await admin.remove('configured');

    expect([...rows.values()]).toEqual([
      { id: 'configured', registration: null, draining: false, removed: true },
    ]);
    expect(registry.servers()).toEqual([]);
  });

  test('what drains goes on draining when it is registered anew, and returns without a trace', async () => {
    const { admin, registry, rows } = setup();
    registry.put(registrationOf('configured'));
    await admin.register(registrationOf('a'));
    for (const id of ['a', 'configured']) await admin.setDraining(id, true);

    await admin.register(registrationOf('a', { weight: 2 }));
    expect(registry.servers().map(({ state }) => state)).toEqual(['draining', 'draining']);
    for (const id of ['a', 'configured']) await admin.setDraining(id, false);

    expect(registry.servers().map(({ state }) => state)).toEqual(['unknown', 'unknown']);
    expect([...rows.keys()]).toEqual(['a']);
  });

  test('an update that leads outside the networks, or that is refused, changes nothing', async () => {
    const { admin, rows } = setup();
    await admin.register(registrationOf('a'));
    const before = rows.get('a');

    const outside = admin.update('a', (present) => ({ ...present, hostname: 'outside' }));
    await expect(outside).rejects.toMatchObject({ code: 'invalid_request', param: 'hostname' });
    const refused = admin.update('a', () => {
      throw new AppError('invalid_request', 'no');
    });
    await expect(refused).rejects.toMatchObject({ code: 'invalid_request' });

    expect(rows.get('a')).toEqual(before);
  });

  test.each([
    ['remove', (admin: ServerAdmin) => admin.remove('nobody')],
    ['update', (admin: ServerAdmin) => admin.update('nobody', (present) => present)],
    ['drain', (admin: ServerAdmin) => admin.setDraining('nobody', true)],
  ])('there is nothing to %s of a server that there is not', async (_, act) => {
    const { admin, rows } = setup();

    await expect(act(admin)).rejects.toMatchObject({ code: 'not_found' });
    expect(rows.size).toBe(0);
  });
});
