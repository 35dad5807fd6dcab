import type { RunId } from '../core/ids.ts';

/** Looks at runs when something of them is about to be due, rather than at the relay's next turn. The database's clock
 *  decides whether it is. */
export interface WakeTimers {
  set(id: RunId, inMs: number): void;
  stop(): void;
}

/** What comes later, or is beyond this number, is the relay's. */
const AHEAD_MS_MAX = 60_000;
const TIMERS_MAX = 10_000;
/** The database counts from its commit, which was a moment before. */
const SLACK_MS = 1;

export function createWakeTimers(onDue: (id: RunId) => void): WakeTimers {
  const timers = new Map<RunId, { timer: NodeJS.Timeout; atMs: number }>();

  return {
    set(id, inMs) {
      const atMs = performance.now() + inMs;
      const known = timers.get(id);
      if (inMs > AHEAD_MS_MAX || (known ? known.atMs <= atMs : timers.size >= TIMERS_MAX)) return;
      clearTimeout(known?.timer);
      const timer = setTimeout(() => {
        timers.delete(id);
        onDue(id);
      }, Math.max(0, inMs) + SLACK_MS);
      timer.unref();
      timers.set(id, { timer, atMs });
    },
    stop() {
      for (const { timer } of timers.values()) clearTimeout(timer);
      timers.clear();
    },
  };
}
