// I1: of the calls made again in any WINDOW_MS, at most `floor`, or `share` of the calls in it, whichever is more: a
//     failure of everything does not multiply what the servers get.

/** How many calls may be made again, for all pools of a process. */
export interface RetryBudget {
  /** A job makes its first call. */
  called(): void;
  /** Spends one retry; false when none is left. */
  tryRetry(): boolean;
}

interface RetryBudgetOptions {
  /** Of the calls in the window, 0 to 1. */
  share: number;
  /** Retries in the window that are always allowed. */
  floor: number;
  /** Of a monotonic clock, in ms. */
  now?: () => number;
}

const WINDOW_MS = 10_000;
const SLICE_MS = 1_000;
/** One more than the window holds, since the current one is not over. */
const SLICES = WINDOW_MS / SLICE_MS + 1;
const monotonicNow = () => performance.now();

export function createRetryBudget({ share, floor, now = monotonicNow }: RetryBudgetOptions): RetryBudget {
  const slices = Array.from({ length: SLICES }, () => ({ index: -1, calls: 0, retries: 0 }));

  return {
    called() {
      currentSlice().calls++;
    },
    tryRetry() {
      const current = currentSlice();
      let calls = 0;
      let retries = 0;
      for (const slice of slices) {
        if (slice.index <= current.index - SLICES) continue;
        calls += slice.calls;
        retries += slice.retries;
      }
      if (retries >= Math.max(floor, Math.floor(share * calls))) return false;
      current.retries++;
      return true;
    },
  };

  function currentSlice() {
    const index = Math.floor(now() / SLICE_MS);
    const slice = slices[index % SLICES] as (typeof slices)[number];
    if (slice.index !== index) Object.assign(slice, { index, calls: 0, retries: 0 });
    return slice;
  }
}
