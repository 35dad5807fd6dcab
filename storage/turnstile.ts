import { AppError } from '../core/errors.ts';

const WAITING_MAX = 10_000;

export interface Turnstile {
  /** Runs `work` now, or when nobody holds the turnstile and it is its turn. Throws when too many wait. */
  pass<T>(work: () => Promise<T>): Promise<T>;
  /** Waits for its turn and keeps everyone else out until the function it gives is called (again is harmless). */
  hold(): Promise<() => void>;
}

/** Lets many through one by one, or one alone for a while: first come, first served. */
export function createTurnstile(): Turnstile {
  const waiting: { holds: boolean; enter: () => void }[] = [];
  let held = false;

  function wait(holds: boolean): Promise<void> {
    if (waiting.length >= WAITING_MAX) {
      throw new AppError('store_unavailable', 'The embedded database has too much work waiting.');
    }
    return new Promise((enter) => waiting.push({ holds, enter }));
  }

  function admit(): void {
    while (!held) {
      const next = waiting.shift();
      if (!next) return;
      held = next.holds;
      next.enter();
    }
  }

  return {
    async pass(work) {
      if (held || waiting.length > 0) await wait(false);
      return work();
    },
    async hold() {
      if (held || waiting.length > 0) await wait(true);
      held = true;
      let released = false;
      return () => {
        if (released) return;
        released = true;
        held = false;
        admit();
      };
    },
  };
}
