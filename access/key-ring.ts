// I1: a request reads keys from memory only.
// I2: what the store last said holds while it is away; before it has said anything, nobody is refused for good.
import type { Logger } from '../core/logger.ts';
import type { KeyRecord, KeyStore } from './key-store.ts';

/** The store's keys as this process knows them. */
export interface KeyRing {
  /** Whether the store's keys have been read once. */
  isRead(): boolean;
  /** How many keys there are, the revoked and expired too. */
  size(): number;
  /** The key of this digest, whatever its state. */
  find(digest: string): KeyRecord | null;
  /** The key of this name that is not revoked, or else a revoked one. */
  findName(name: string): KeyRecord | null;
  /** Whether the store's key of this id was revoked or deleted since its caller was identified. */
  isRevoked(keyId: string): boolean;
  /** Calls `listener` when the key is revoked or deleted; never for a key that the store does not know (undefined).
   *  Returns the function that ends it. */
  onRevoked(keyId: string | undefined, listener: () => void): () => void;
  /** Reads what has changed. Throws what the store threw, and leaves what was known. */
  refresh(): Promise<void>;
  /** Refreshes by itself each second from now on; never throws. */
  start(): Promise<void>;
  stop(): void;
}

interface KeyRingOptions {
  store: Pick<KeyStore, 'revision' | 'all'>;
  /** Prepares what else must be known of the keys, before they are let in and at each refresh. */
  prepare?: (keys: readonly KeyRecord[]) => Promise<void>;
  logger: Logger;
  intervalMs?: number;
}

const INTERVAL_MS = 1_000;

interface Snapshot {
  revision: number;
  keys: readonly KeyRecord[];
  byDigest: ReadonlyMap<string, KeyRecord>;
  byName: ReadonlyMap<string, KeyRecord>;
  /** The ids of those that are not revoked. */
  valid: ReadonlySet<string>;
}

export function createKeyRing({
  store,
  prepare = async () => {},
  logger,
  intervalMs = INTERVAL_MS,
}: KeyRingOptions): KeyRing {
  const listeners = new Map<string, Set<() => void>>();
  let snapshot: Snapshot | null = null;
  let timer: NodeJS.Timeout | undefined;
  let failing = false;
  let stopped = false;
  let reading = Promise.resolve();

  return {
    isRead: () => snapshot !== null,
    size: () => snapshot?.keys.length ?? 0,
    find: (digest) => snapshot?.byDigest.get(digest) ?? null,
    findName: (name) => snapshot?.byName.get(name) ?? null,
    isRevoked: (keyId) => snapshot !== null && !snapshot.valid.has(keyId),
    onRevoked(keyId, listener) {
      if (keyId === undefined) return () => {};
      const known = listeners.get(keyId) ?? new Set();
      listeners.set(keyId, known.add(listener));
      return () => {
        known.delete(listener);
        if (known.size === 0 && listeners.get(keyId) === known) listeners.delete(keyId);
      };
    },
    refresh,
    start: tick,
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };

  // One after the other: an older answer must not replace a newer one.
  function refresh(): Promise<void> {
    reading = reading.catch(() => {}).then(read);
    return reading;
  }

  async function read(): Promise<void> {
    // Read before the keys: they are then of this revision or newer, never older.
    const revision = await store.revision();
    const keys = snapshot?.revision === revision ? snapshot.keys : await store.all();
    await prepare(keys);
    if (snapshot?.revision === revision) return;
    snapshot = toSnapshot(revision, keys);
    for (const [id, told] of [...listeners]) {
      if (!snapshot.valid.has(id)) for (const listener of [...told]) listener();
    }
  }

  async function tick(): Promise<void> {
    try {
      await refresh();
      failing = false;
    } catch (error) {
      if (!failing)
        logger.warn('the API keys cannot be read; those known so far hold', { error: error as Error });
      failing = true;
    }
    if (stopped) return;
    timer = setTimeout(tick, intervalMs);
    timer.unref();
  }
}

function toSnapshot(revision: number, keys: readonly KeyRecord[]): Snapshot {
  const revokedFirst = keys.toSorted((a, b) => Number(b.revokedAt !== null) - Number(a.revokedAt !== null));
  return {
    revision,
    keys,
    byDigest: new Map(keys.map((key) => [key.digest, key])),
    byName: new Map(revokedFirst.map((key) => [key.name, key])),
    valid: new Set(keys.filter(({ revokedAt }) => revokedAt === null).map(({ id }) => id)),
  };
}
