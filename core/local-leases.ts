import type { Leases } from './leases.ts';

interface Count {
  inUse: number;
  /** tryTake has said no since a unit was last given back. */
  wasRefused: boolean;
}

/** Leases of a single process: counts in memory. */
export function createLocalLeases(): Leases {
  const counts = new Map<string, Count>();
  const listeners = new Set<(name: string) => void>();
  let isClosed = false;

  function tryTake(name: string, limit: number): boolean {
    const count = counts.get(name) ?? { inUse: 0, wasRefused: false };
    if (isClosed) return false;
    if (count.inUse >= limit) {
      count.wasRefused = count.inUse > 0;
      return false;
    }
    count.inUse += 1;
    counts.set(name, count);
    return true;
  }

  return {
    tryTake,
    take: tryTake,

    giveBack(name) {
      const count = counts.get(name);
      if (!count) return;
      count.inUse -= 1;
      const isAwaited = count.wasRefused;
      count.wasRefused = false;
      if (count.inUse === 0) counts.delete(name);
      if (!isAwaited) return;
      for (const listener of [...listeners]) listener(name);
    },

    inUse: (name) => counts.get(name)?.inUse ?? 0,

    onFree(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },

    async close() {
      isClosed = true;
      counts.clear();
      listeners.clear();
    },
  };
}
