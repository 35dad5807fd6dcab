import { Client, type Dispatcher, Pool } from 'undici';
import type { AddressGuard } from './address-guard.ts';
import { createServerConnector } from './server-connector.ts';

const POOLS_MAX = 200;
const CONNECTIONS_MAX = 1_024;
// Shorter than the 5 s after which uvicorn and Node close an idle connection, so that we close it first.
const KEEP_ALIVE_MS = 4_000;

/** One origin's connections, kept alive between calls. */
interface OriginPool {
  /** Sends a request; `handler` hears of the answer or of the failure, also of one to connect. */
  dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void;
  /** As `dispatch`, on a connection of its own. */
  dispatchFresh(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void;
  request(options: Dispatcher.RequestOptions): Promise<Dispatcher.ResponseData>;
  /** Gives back what `acquire` gave out. */
  release(): void;
}

export interface OriginPools {
  /** The pool of `origin`, safe from eviction until released. Connections opened from here on may take `connectMs`. */
  acquire(origin: string, connectMs: number): OriginPool;
  /** Destroys every connection; calls that still run fail. */
  close(): Promise<void>;
}

interface Entry {
  shared: Pool;
  fresh: Set<Client>;
  handle: OriginPool;
  users: number;
  lastUse: number;
  connectMs: number;
}

/** Keeps a pool for each of the 200 origins used last; one that is in use is never closed. `guard` says what they may
 *  connect to. */
export function createOriginPools(guard: AddressGuard, connectionsPerServer = CONNECTIONS_MAX): OriginPools {
  const entries = new Map<string, Entry>();
  let uses = 0;

  function evict(): void {
    let oldest: [string, Entry] | undefined;
    for (const candidate of entries) {
      if (candidate[1].users === 0 && candidate[1].lastUse < (oldest?.[1].lastUse ?? Infinity))
        oldest = candidate;
    }
    if (oldest === undefined) return;
    entries.delete(oldest[0]);
    void destroyEntry(oldest[1]);
  }

  function open(origin: string): Entry {
    if (entries.size >= POOLS_MAX) evict();
    const entry = createEntry(origin, guard, connectionsPerServer);
    entries.set(origin, entry);
    return entry;
  }

  return {
    acquire(origin, connectMs) {
      const entry = entries.get(origin) ?? open(origin);
      uses += 1;
      entry.lastUse = uses;
      entry.users += 1;
      entry.connectMs = connectMs;
      return entry.handle;
    },
    async close() {
      const closing = [...entries.values()].map(destroyEntry);
      entries.clear();
      await Promise.all(closing);
    },
  };
}

function createEntry(origin: string, guard: AddressGuard, connections: number): Entry {
  const options: Client.Options = {
    connect: createServerConnector(() => entry.connectMs, guard),
    pipelining: 1,
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: KEEP_ALIVE_MS,
    // Off, here and below: ours are told apart (first token, idle) and count events, not bytes.
    headersTimeout: 0,
    bodyTimeout: 0,
  };
  const shared = new Pool(origin, { ...options, connections });
  const fresh = new Set<Client>();

  function dispatchFresh(request: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void {
    const client = new Client(origin, options);
    fresh.add(client);
    client.dispatch({ ...request, reset: true }, handler);
    // Closing waits for the request that was just sent.
    client.close(() => fresh.delete(client));
  }

  const handle: OriginPool = {
    dispatch: (request, handler) => void shared.dispatch(request, handler),
    dispatchFresh,
    request: (request) => shared.request(request),
    release: () => {
      entry.users -= 1;
    },
  };
  const entry: Entry = { shared, fresh, handle, users: 0, lastUse: 0, connectMs: 0 };
  return entry;
}

async function destroyEntry({ shared, fresh }: Entry): Promise<void> {
  await Promise.all([shared.destroy(), ...[...fresh].map((client) => client.destroy())]);
}
