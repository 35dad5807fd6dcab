import { SHORT_SECONDS_BUCKETS } from '../core/metrics.ts';

/** The times between the tokens of one answer, counted by bucket: what a token costs here is a look at the clock, and that
 *  once for all that come together. */
export interface TokenGaps {
  /** By `SHORT_SECONDS_BUCKETS`, and one more for what is longer. */
  readonly counts: readonly number[];
  readonly sumSeconds: number;
}

export interface TokenClock extends TokenGaps {
  /** So many have come together; the time since those before is shared among them. */
  came(count: number, nowMs: number): void;
}

export function createTokenClock(): TokenClock {
  const counts = new Array<number>(SHORT_SECONDS_BUCKETS.length + 1).fill(0);
  let sumSeconds = 0;
  let lastMs: number | null = null;
  return {
    counts,
    get sumSeconds() {
      return sumSeconds;
    },
    came(count, nowMs) {
      if (lastMs !== null && count > 0) {
        const seconds = (nowMs - lastMs) / 1_000;
        const bucket = bucketOf(seconds / count);
        counts[bucket] = (counts[bucket] ?? 0) + count;
        sumSeconds += seconds;
      }
      lastMs = nowMs;
    },
  };
}

function bucketOf(seconds: number): number {
  const found = SHORT_SECONDS_BUCKETS.findIndex((bound) => seconds <= bound);
  return found === -1 ? SHORT_SECONDS_BUCKETS.length : found;
}
