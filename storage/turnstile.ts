import { AppError } from '../core/errors.ts';

const WAITING_MAX = 10_000;
/** So long after the last of the others what is in the background begins, */
const QUIET_MS = 5;
/** or when it has waited for so long. */
const PATIENCE_MS = 50;

export interface TurnOptions {
  /** Nobody waits for its answer: others go first, and it begins when they are quiet, or after 50 ms. */
  isBackground?: boolean;
}

export interface Turnstile {
  /** Runs `work` now, or when nobody holds the turnstile and it is its turn. Throws when too many wait. */
  pass<T>(work: () => Promise<T>, options?: TurnOptions): Promise<T>;
  /** Waits for its turn and keeps everyone else out until the function it gives is called (again is harmless). */
  hold(options?: TurnOptions): Promise<() => void>;
}

interface Waiting {
  holds: boolean;
  sinceMs: number;
  enter: () => void;
}

/** Lets many through one by one, or one alone for a while: first come, first served. Of the background one at a time. */
export function createTurnstile(): Turnstile {
  const waiting: Waiting[] = [];
  const background: Waiting[] = [];
  let held = false;
  let hasBackground = false;
  let lastMs = Number.NEGATIVE_INFINITY;
  let looksLater = false;

  /** Whether somebody of the foreground may go on at once. */
  function isFree(): boolean {
    if (held || waiting.length > 0) return false;
    lastMs = performance.now();
    return true;
  }

  function lineUp(holds: boolean, isBackground: boolean): Promise<void> {
    const line = isBackground ? background : waiting;
    if (line.length >= WAITING_MAX) {
      throw new AppError('store_unavailable', 'The embedded database has too much work waiting.');
    }
    return new Promise((enter) => {
      line.push({ holds, sinceMs: performance.now(), enter });
      admit();
    });
  }

  function admit(): void {
    while (!held) {
      const next = nextOfBackground() ?? nextOfOthers();
      if (!next) return;
      held = next.holds;
      next.enter();
    }
  }

  function nextOfBackground(): Waiting | undefined {
    const [first] = background;
    if (!first || hasBackground) return undefined;
    const quietMs = waiting.length > 0 ? Number.POSITIVE_INFINITY : lastMs + QUIET_MS;
    const restMs = Math.min(quietMs, first.sinceMs + PATIENCE_MS) - performance.now();
    if (restMs > 0) {
      if (!looksLater) setTimeout(lookAgain, Math.ceil(restMs));
      looksLater = true;
      return undefined;
    }
    hasBackground = true;
    return background.shift();
  }

  function nextOfOthers(): Waiting | undefined {
    if (waiting.length > 0) lastMs = performance.now();
    return waiting.shift();
  }

  function lookAgain(): void {
    looksLater = false;
    admit();
  }

  function leave(isBackground: boolean): void {
    if (isBackground) hasBackground = false;
    admit();
  }

  return {
    async pass(work, { isBackground = false } = {}) {
      if (isBackground || !isFree()) await lineUp(false, isBackground);
      if (!isBackground) return work();
      try {
        return await work();
      } finally {
        leave(true);
      }
    },
    async hold({ isBackground = false } = {}) {
      if (isBackground || !isFree()) await lineUp(true, isBackground);
      held = true;
      let released = false;
      return () => {
        if (released) return;
        released = true;
        held = false;
        leave(isBackground);
      };
    },
  };
}
