// Places among a key's requests at once, for steps of accepted work.
// I1: who came first has its place first.
// I2: so many wait at most: those beyond are told to come later, so that one key's steps do not take all the room that a
//     process has for steps.
import type { Leases } from '../core/leases.ts';

export interface KeyPlaces {
  /** A unit of the lease `name`. True at once where one is free, else resolves when there is one: true, or false when too many wait already.
   *  Rejects with `signal.reason` when that aborts. */
  take(name: string, limit: number, signal: AbortSignal): boolean | Promise<boolean>;
  /** Hands out no further place. */
  stop(): void;
}

interface Waiting {
  limit: number;
  begin(): void;
}

const WAITING_MAX = 64;

export function createKeyPlaces(leases: Pick<Leases, 'tryTake' | 'onFree'>): KeyPlaces {
  const queues = new Map<string, Set<Waiting>>();
  const stop = leases.onFree(serve);

  return {
    take(name, limit, signal) {
      const queue = queues.get(name);
      if (queue === undefined && leases.tryTake(name, limit)) return true;
      if (queue !== undefined && queue.size >= WAITING_MAX) return false;
      const place = wait(name, limit, signal);
      // The leases are to know of each that waits.
      serve(name);
      return place;
    },
    stop,
  };

  function wait(name: string, limit: number, signal: AbortSignal): Promise<boolean> {
    const queue = queues.get(name) ?? new Set();
    queues.set(name, queue);
    return new Promise((resolve, reject) => {
      const one: Waiting = {
        limit,
        begin() {
          leave();
          resolve(true);
        },
      };
      const giveUp = () => {
        leave();
        reject(signal.reason);
      };
      const leave = () => {
        signal.removeEventListener('abort', giveUp);
        queue.delete(one);
        if (queue.size === 0) queues.delete(name);
      };
      queue.add(one);
      signal.addEventListener('abort', giveUp, { once: true });
    });
  }

  function serve(name: string): void {
    for (const { limit, begin } of queues.get(name) ?? []) {
      if (!leases.tryTake(name, limit)) return;
      begin();
    }
  }
}
