/** Something that many viewers look at, and that is read once for all of them. */
export interface SharedRead<T> {
  /** What was read last; null before the first. Reads anew in the background when that is old. */
  look(): T | null;
}

/** Of the time, a reading may take up this part: one that takes long is made less often. */
const SHARE_MAX = 0.05;

/** `read` runs at most each `everyMs`, never twice at once, and only while somebody looks; what it throws is left out. */
export function createSharedRead<T>(
  read: () => Promise<T>,
  everyMs: number,
  now: () => number,
): SharedRead<T> {
  let value: T | null = null;
  let nextMs = 0;
  let isReading = false;

  return {
    look() {
      if (!isReading && now() >= nextMs) void refresh();
      return value;
    },
  };

  async function refresh(): Promise<void> {
    isReading = true;
    const sinceMs = now();
    try {
      value = await read();
    } catch {
      // The store is away: its state is told beside this.
    } finally {
      isReading = false;
      nextMs = sinceMs + Math.max(everyMs, (now() - sinceMs) / SHARE_MAX);
    }
  }
}
