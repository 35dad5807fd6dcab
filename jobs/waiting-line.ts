// The requests of one class that this process has added and that do not run yet: who is before whom, and for how long.
import type { JobId } from '../core/ids.ts';

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
  /** Where a request with this tag would stand. */
  placeFor(tag: number): Place;
  /** Joins, or comes back to where it stood. */
  join(id: JobId, tag: number): void;
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
  const waiting = new Map<JobId, { tag: number; sinceMs: number }>();
  /** When the last ones had their turn while others waited (ms). */
  let turnsMs: number[] = [];

  return {
    get size() {
      return waiting.size;
    },
    placeFor(tag) {
      let ahead = 0;
      for (const other of waiting.values()) if (other.tag <= tag) ahead++;
      return place(ahead + 1);
    },
    join(id, tag) {
      // A line that was empty says nothing of how fast it moves when it is full.
      if (waiting.size === 0) turnsMs = [];
      waiting.set(id, { tag, sinceMs: now() });
    },
    advance(id) {
      const entry = waiting.get(id);
      if (!entry) return;
      waiting.delete(id);
      if (now() - entry.sinceMs < WAIT_MIN_MS) return;
      turnsMs.push(now());
      if (turnsMs.length > TURNS_MAX) turnsMs.shift();
    },
    leave(id) {
      waiting.delete(id);
    },
    places() {
      const ids = [...waiting].sort(([, a], [, b]) => a.tag - b.tag);
      return new Map(ids.map(([id], index) => [id, place(index + 1)]));
    },
  };

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
