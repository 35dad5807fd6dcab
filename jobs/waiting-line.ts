// The requests of one class that this process has added and that do not run yet: who is before whom, and for how long.
import type { JobId } from '../core/ids.ts';
import type { Priority } from '../core/schemas/priority.ts';

/** Where a request stands: how many go before it, and when its turn is likely; null while nothing is known of that. */
export interface Place {
  /** From 1. */
  position: number;
  etaMs: number | null;
  /** Whether an operator has had the queue wait. */
  isPaused?: boolean;
}

export interface WaitingLine {
  readonly size: number;
  /** How many of each priority. */
  readonly sizes: Readonly<Record<Priority, number>>;
  /** For how long the first to come waits; 0 where nobody does. */
  oldestMs(): number;
  /** Where a request with this tag would stand. */
  placeFor(tag: number): Place;
  /** Joins, or comes back to where it stood: as it was, where no priority is given. */
  join(id: JobId, tag: number, priority?: Priority): void;
  /** It runs now; where it had to wait for that, it tells how fast the line moves. */
  advance(id: JobId): void;
  /** It is gone without having run. */
  leave(id: JobId): void;
  /** Everyone, in the order of their turns. */
  places(): Map<JobId, Place>;
}

/** Turns that are remembered, to measure the rate by. */
const TURNS_MAX = 64;
const TURNS_MIN = 4;
const TURNS_FOR_MS = 60_000;
/** Who waited less did not wait for a turn. */
const WAIT_MIN_MS = 100;

export function createWaitingLine(now: () => number): WaitingLine {
  const waiting = new Map<JobId, { tag: number; sinceMs: number; priority: Priority }>();
  const sizes: Record<Priority, number> = { low: 0, normal: 0, high: 0, critical: 0 };
  /** When the last ones had their turn while others waited (ms). */
  let turnsMs: number[] = [];

  return {
    get size() {
      return waiting.size;
    },
    sizes,
    oldestMs() {
      // A Map keeps the order of their coming.
      for (const { sinceMs } of waiting.values()) return now() - sinceMs;
      return 0;
    },
    placeFor(tag) {
      let ahead = 0;
      for (const other of waiting.values()) if (other.tag <= tag) ahead++;
      return place(ahead + 1);
    },
    join(id, tag, priority) {
      // A line that was empty says nothing of how fast it moves when it is full.
      if (waiting.size === 0) turnsMs = [];
      const known = waiting.get(id);
      if (known) sizes[known.priority]--;
      const entry = { tag, sinceMs: now(), priority: priority ?? known?.priority ?? 'normal' };
      waiting.set(id, entry);
      sizes[entry.priority]++;
    },
    advance(id) {
      const entry = remove(id);
      if (!entry) return;
      if (now() - entry.sinceMs < WAIT_MIN_MS) return;
      turnsMs.push(now());
      if (turnsMs.length > TURNS_MAX) turnsMs.shift();
    },
    leave(id) {
      remove(id);
    },
    places() {
      const ids = [...waiting].sort(([, a], [, b]) => a.tag - b.tag);
      return new Map(ids.map(([id], index) => [id, place(index + 1)]));
    },
  };

  function remove(id: JobId) {
    const entry = waiting.get(id);
    if (!entry) return null;
    waiting.delete(id);
    sizes[entry.priority]--;
    return entry;
  }

  function place(position: number): Place {
    const perTurnMs = msPerTurn();
    return { position, etaMs: perTurnMs === null ? null : Math.round(position * perTurnMs) };
  }

  function msPerTurn(): number | null {
    const nowMs = now();
    const recent = turnsMs.filter((atMs) => nowMs - atMs < TURNS_FOR_MS);
    const [first] = recent;
    if (first === undefined || recent.length < TURNS_MIN) return null;
    // Until now, and not until the last turn: a line that stands still becomes slower.
    return (nowMs - first) / recent.length;
  }
}
