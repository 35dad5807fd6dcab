import { afterEach, describe, expect, test } from '@jest/globals';
import { AppError } from '../../core/errors.ts';
import { type InboxId, newInboxId } from '../../core/ids.ts';
import { createLogger } from '../../core/logger.ts';
import type { BusMessage, ReplyBus } from '../../jobs/reply-bus.ts';
import { createRegistry } from '../../servers/registry.ts';
import { createRegistrySync, type RegistrySync } from '../../servers/registry-sync.ts';
import { createServerOverlay } from '../../servers/server-overlay.ts';
import type { ServerChange, ServerRow, ServerStore } from '../../servers/server-store.ts';
import { expectWithin, inTime } from '../support/in-time.ts';
import { waitFor } from '../support/wait-for.ts';
import { registrationOf } from './registration.ts';

const stops: RegistrySync[] = [];
afterEach(() => {
  for (const sync of stops.splice(0)) sync.stop();
});

/** A bus between processes whose broadcasts a test may lose (`deaf`). */
function setupBus() {
  const listeners = new Map<InboxId, Set<(message: BusMessage) => void>>();
  const deaf = new Set<InboxId>();
  const sent: BusMessage[] = [];
  const deliver = (to: InboxId, message: BusMessage) => {
    if (deaf.has(to)) return;
    const copy = JSON.parse(JSON.stringify(message)) as BusMessage;
    setImmediate(() => {
      for (const listener of listeners.get(to) ?? []) listener(copy);
    });
  };
  const open = (): ReplyBus => {
    const inbox = newInboxId();
    listeners.set(inbox, new Set());
    return {
      inbox,
      subscribe(listener) {
        listeners.get(inbox)?.add(listener);
        return () => listeners.get(inbox)?.delete(listener);
      },
      async send(to, message) {
        sent.push(message);
        deliver(to, message);
        return listeners.has(to);
      },
      async broadcast(message) {
        sent.push(message);
        for (const to of listeners.keys()) deliver(to, message);
      },
      async caughtUp() {},
    };
  };
  return { open, deaf, sent };
}

function setupStore() {
  const rows = new Map<string, ServerRow>();
  const state = { revision: 0, reads: 0, away: false };
  const answer = () => {
    if (state.away) throw new AppError('store_unavailable', 'away');
  };
  const store: ServerStore = {
    async revision() {
      answer();
      return state.revision;
    },
    async read() {
      answer();
      state.reads++;
      return { revision: state.revision, rows: [...rows.values()] };
    },
    async change(id, decide): Promise<ServerChange> {
      const row = decide(rows.get(id) ?? null);
      if (row) rows.set(id, row);
      else rows.delete(id);
      const previous = state.revision;
      state.revision = previous + 10;
      return { previous, revision: state.revision, id, row };
    },
  };
  return { store, state };
}

function setupProcess(bus: ReplyBus, store: ServerStore | null) {
  const registry = createRegistry({ models: { lightweight: [], heavyweight: [], embedding: [] } });
  const asked: string[] = [];
  const sync = createRegistrySync({
    registry,
    overlay: createServerOverlay(registry, () => undefined),
    bus,
    store,
    ask: async (id) => void asked.push(id),
    logger: createLogger({ level: 'silent' }),
    intervalMs: 3_600_000,
  });
  stops.push(sync);
  const ids = () => registry.servers().map(({ address }) => address.id);
  return { bus, registry, sync, asked, ids };
}

/** Two processes on one store, and one without. */
async function setup() {
  const bus = setupBus();
  const { store, state } = setupStore();
  const one = setupProcess(bus.open(), store);
  const other = setupProcess(bus.open(), store);
  const worker = setupProcess(bus.open(), null);
  for (const { sync } of [one, other, worker]) await sync.start();
  const put = (id: string) =>
    store.change(id, () => ({ id, registration: registrationOf(id), draining: false, removed: false }));
  return { bus, store, state, one, other, worker, put };
}

const report = { models: [{ id: 'm', loaded: null }] };

describe('a change', () => {
  test('is in the registry of its process when published, and then in every other, with the models', async () => {
    const { one, other, worker, put } = await setup();

    await one.sync.publish(await put('a'), report);

    expect(one.registry.findModel('m')).not.toBeNull();
    await waitFor(() => [other, worker].every(({ registry }) => registry.findModel('m')), 'the others');
    expect([one, other, worker].map(({ asked }) => asked)).toEqual([[], [], []]);
  });

  test('that comes without a report makes the others ask the server', async () => {
    const { one, other, worker, put } = await setup();

    await one.sync.publish(await put('a'));

    await waitFor(() => other.asked.length + worker.asked.length === 2, 'both have asked');
    expect([other.asked, worker.asked]).toEqual([['a'], ['a']]);
  });

  test('costs no read of the store', async () => {
    const { one, other, state, put } = await setup();
    const { reads } = state;

    for (const id of ['a', 'b', 'c']) await one.sync.publish(await put(id), null);
    await waitFor(() => other.ids().length === 3, 'the other process');

    expect(state.reads).toBe(reads);
  });

  test('that was lost is made up for by the next one', async () => {
    const { bus, one, other, worker, put } = await setup();
    for (const { bus: own } of [other, worker]) bus.deaf.add(own.inbox);
    await one.sync.publish(await put('a'), null);
    bus.deaf.clear();

    await one.sync.publish(await put('b'), null);

    for (const { ids } of [other, worker]) await waitFor(() => ids().length === 2, 'both servers');
  });

  test('that was lost is made up for by a look, without any other change', async () => {
    const { bus, one, other, worker, put } = await setup();
    for (const { bus: own } of [other, worker]) bus.deaf.add(own.inbox);
    await one.sync.publish(await put('a'), null);
    bus.deaf.clear();

    for (const { sync } of [other, worker]) await sync.tick();

    for (const { ids, asked } of [other, worker]) {
      await waitFor(() => ids().length === 1, 'the server');
      expect(asked).toEqual(['a']);
    }
  });

  test('of two processes at once is in both, whichever is told of first', async () => {
    const { one, other, worker, put } = await setup();
    const [first, second] = [await put('a'), await put('b')];

    await Promise.all([other.sync.publish(second, null), one.sync.publish(first, null)]);

    expect(other.ids()).toContain('b');
    expect(one.ids()).toContain('a');
    for (const { ids } of [one, other, worker]) {
      await waitFor(() => ids().toSorted().join() === 'a,b', 'both servers');
    }
  });

  test('that is older than what is known changes nothing', async () => {
    const { bus, one, other, worker, store, put } = await setup();
    const put1 = await put('a');
    await one.sync.publish(put1, null);
    await one.sync.publish(await store.change('a', () => null));
    for (const { ids } of [other, worker]) await waitFor(() => ids().length === 0, 'it has gone');

    await bus.open().broadcast({ kind: 'server-change', change: put1 });
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

    for (const { ids } of [one, other, worker]) expect(ids()).toEqual([]);
  });
});

describe('a process without a store', () => {
  test('knows the servers once it has started', async () => {
    const { bus, one, put } = await setup();
    await one.sync.publish(await put('a'), null);

    const late = setupProcess(bus.open(), null);
    await late.sync.start();

    expect(late.ids()).toEqual(['a']);
  });

  test('starts within two seconds where nobody answers, and hears of servers from who comes later', () =>
    inTime(async () => {
      const bus = setupBus();
      const worker = setupProcess(bus.open(), null);
      const start = performance.now();
      await worker.sync.start();
      const startedMs = performance.now() - start;

      const { store } = setupStore();
      await store.change('a', () => ({
        id: 'a',
        registration: registrationOf('a'),
        draining: false,
        removed: false,
      }));
      await setupProcess(bus.open(), store).sync.start();

      await waitFor(() => worker.ids().length === 1, 'the server');
      expectWithin(2_000, startedMs);
    }));

  test('is answered only where it knows something else', async () => {
    const { bus, one, worker, put } = await setup();
    await one.sync.publish(await put('a'), null);
    await waitFor(() => worker.ids().length === 1, 'the server');
    const answers = () => bus.sent.filter(({ kind }) => kind === 'servers').length;
    const before = answers();

    await worker.sync.tick();
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

    expect(answers()).toBe(before);
  });
});

test('a store that is away leaves the registry as it was, and is read again when it is back', async () => {
  const { bus, state, one, other, put } = await setup();
  await one.sync.publish(await put('a'), null);
  await waitFor(() => other.ids().length === 1, 'the first server');
  bus.deaf.add(other.bus.inbox);
  await one.sync.publish(await put('b'), null);

  state.away = true;
  await other.sync.tick();
  expect(other.ids()).toEqual(['a']);
  state.away = false;
  await other.sync.tick();

  expect(other.ids()).toEqual(['a', 'b']);
});

test('a store that was set back is believed', async () => {
  const { state, one, store, put } = await setup();
  await one.sync.publish(await put('a'), null);
  await store.change('a', () => null);
  state.revision = 1;

  await one.sync.tick();

  expect(one.ids()).toEqual([]);
});

test('a bus that is away does not make a change fail', async () => {
  const { store, state } = setupStore();
  const bus = setupBus().open();
  bus.broadcast = () => Promise.reject(new AppError('store_unavailable', 'away'));
  const { sync, ids } = setupProcess(bus, store);
  await sync.start();
  const change = await store.change('a', () => ({
    id: 'a',
    registration: registrationOf('a'),
    draining: false,
    removed: false,
  }));

  await sync.publish(change, null);

  expect(ids()).toEqual(['a']);
  expect(state.reads).toBe(1);
});
