// I1: every process comes to the same rows: by each change as it is made; after a gap, and every few seconds, by all of
//     them. A process with a store reads it, one without asks those that have one.
// I2: what is older than what is known changes nothing.
import type { Logger } from '../core/logger.ts';
import type { BusMessage, ReplyBus } from '../jobs/reply-bus.ts';
import type { ServerReport } from './model-server.ts';
import type { Registry } from './registry.ts';
import type { ServerOverlay } from './server-overlay.ts';
import type { ServerChange, ServerSet, ServerStore } from './server-store.ts';

/** Keeps this process's registry the same as every other's. No request waits for it. */
export interface RegistrySync {
  /** Resolves when the rows are in the registry; without a store, after a second at the latest. */
  start(): Promise<void>;
  /** Looks once whether anything was missed; runs by itself every few seconds. */
  tick(): Promise<void>;
  /** Takes in a change that this process has written, and tells the others. `report`: what the server said when asked
   *  just now, null when it did not answer. */
  publish(change: ServerChange, report?: ServerReport | null): Promise<void>;
  stop(): void;
}

interface RegistrySyncOptions {
  registry: Registry;
  overlay: ServerOverlay;
  bus: ReplyBus;
  /** Null in a process that has none. */
  store: ServerStore | null;
  /** Asks a server that is new here what it has. */
  ask(id: string): Promise<void>;
  logger: Logger;
  intervalMs?: number;
}

const INTERVAL_MS = 5_000;
/** While nobody has answered yet. */
const FIRST_ANSWER_INTERVAL_MS = 1_000;
const START_WAIT_MS = 1_000;
const ASKED_AT_ONCE_MAX = 16;
const CATCH_UP_READS_MAX = 3;

export function createRegistrySync(options: RegistrySyncOptions): RegistrySync {
  const { registry, overlay, bus, store, ask, logger, intervalMs = INTERVAL_MS } = options;
  let revision = -1;
  let timer: NodeJS.Timeout | undefined;
  let refreshing: Promise<void> | undefined;
  let stopped = false;
  let onFirst = () => {};
  const unsubscribe = bus.subscribe(receive);

  return {
    async start() {
      if (store) take(await store.read());
      else await waitForFirst();
      schedule();
    },

    tick,

    async publish(change, report) {
      if (change.previous === revision) {
        apply(change, report);
      } else {
        await catchUp(change.revision);
        note(change.id, report);
      }
      try {
        await bus.broadcast({ kind: 'server-change', change, report });
      } catch (error) {
        logger.warn('the other processes hear of a server only at their next look', {
          server: change.id,
          error: error as Error,
        });
      }
    },

    stop() {
      stopped = true;
      clearTimeout(timer);
      unsubscribe();
      overlay.close();
    },
  };

  function receive(message: BusMessage): void {
    if (message.kind === 'servers-wanted') answer(message);
    if (message.kind === 'servers') askNew(take(message.set));
    if (message.kind !== 'server-change') return;
    const { change, report } = message;
    if (change.revision <= revision) return;
    if (change.previous !== revision) {
      refresh().catch(logFailure);
      return;
    }
    const isNew = apply(change, report);
    if (isNew && report === undefined) askNew([change.id]);
  }

  function answer({ have, from }: Extract<BusMessage, { kind: 'servers-wanted' }>): void {
    if (!store || revision < 0 || have === revision || from === bus.inbox) return;
    bus.send(from, { kind: 'servers', set: { revision, rows: overlay.rows() } }).catch(logFailure);
  }

  function apply(change: ServerChange, report: ServerReport | null | undefined): boolean {
    revision = change.revision;
    const isNew = overlay.set(change.id, change.row);
    note(change.id, report);
    return isNew;
  }

  function note(id: string, report: ServerReport | null | undefined): void {
    if (report !== undefined) registry.report(id, report, Date.now());
  }

  /** I2: `floor` is the revision known when the set was asked for: a store that is below it was set back. */
  function take(set: ServerSet, floor = -1): string[] {
    if (set.revision <= revision && set.revision >= floor) return [];
    revision = set.revision;
    onFirst();
    return overlay.replace(set.rows);
  }

  function askNew(ids: string[]): void {
    const left = [...ids];
    const askNext = async (): Promise<void> => {
      for (let id = left.shift(); id !== undefined && !stopped; id = left.shift()) await ask(id);
    };
    for (let count = 0; count < Math.min(ids.length, ASKED_AT_ONCE_MAX); count++) askNext().catch(logFailure);
  }

  // One at a time: a burst of changes out of order costs one read.
  function refresh(): Promise<void> {
    refreshing ??= (store ? readStore(store) : askOthers()).finally(() => {
      refreshing = undefined;
    });
    return refreshing;
  }

  // A read that was under way already may be older than the change.
  async function catchUp(wanted: number): Promise<void> {
    for (let reads = 0; revision < wanted && reads < CATCH_UP_READS_MAX; reads++) {
      await refresh().catch(logFailure);
    }
  }

  async function readStore(from: ServerStore): Promise<void> {
    const floor = revision;
    askNew(take(await from.read(), floor));
  }

  function askOthers(): Promise<void> {
    return bus.broadcast({ kind: 'servers-wanted', have: revision, from: bus.inbox });
  }

  async function tick(): Promise<void> {
    try {
      if (store && (await store.revision()) === revision) return;
      await refresh();
    } catch (error) {
      logFailure(error);
    }
  }

  function schedule(): void {
    if (stopped) return;
    timer = setTimeout(() => tick().finally(schedule), revision < 0 ? FIRST_ANSWER_INTERVAL_MS : intervalMs);
    timer.unref();
  }

  async function waitForFirst(): Promise<void> {
    const first = new Promise<void>((resolve) => {
      onFirst = resolve;
    });
    await tick();
    let limit: NodeJS.Timeout | undefined;
    await Promise.race([
      first,
      new Promise((resolve) => {
        limit = setTimeout(resolve, START_WAIT_MS);
      }),
    ]);
    clearTimeout(limit);
  }

  // The next look makes up for it.
  function logFailure(error: unknown): void {
    if (!stopped) logger.warn('the registry of servers could not be refreshed', { error: error as Error });
  }
}
