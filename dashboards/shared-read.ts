import { toAppError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';

/** Something that many viewers look at, and that is read once for all of them. */
export interface SharedRead<T> {
  /** What was read last; null before the first. Reads anew in the background when that is old. */
  look(): T | null;
}

interface SharedReadOptions {
  everyMs: number;
  /** Of a monotonic clock, in ms. */
  now: () => number;
  logger: Pick<Logger, 'debug'>;
}

/** Of the time, a reading may take up this part: one that takes long is made less often. */
const SHARE_MAX = 0.05;

/** `read` runs at most each `everyMs`, never twice at once, and only while somebody looks. When it throws, what was read
 *  before stays. */
export function createSharedRead<T>(
  read: () => Promise<T>,
  { everyMs, now, logger }: SharedReadOptions,
): SharedRead<T> {
  let value: T | null = null;
  let nextMs = Number.NEGATIVE_INFINITY;
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
    } catch (error) {
      // The page is told of stores that are away beside this.
      logger.debug('a part of the overview cannot be read', { error: toAppError(error) });
    } finally {
      isReading = false;
      nextMs = sinceMs + Math.max(everyMs, (now() - sinceMs) / SHARE_MAX);
    }
  }
}
