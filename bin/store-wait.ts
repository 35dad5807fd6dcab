import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from '../core/logger.ts';
import { isRedisAway } from '../queues/store-errors.ts';
import { isConnectionError } from '../storage/sql-errors.ts';

/** A start's patience with stores that are not there yet, as when all of a fleet is started at once. */
export interface StoreWait {
  /** `open`, again and again while the store is out of reach; once where it has no URL, since it is within. Throws what it threw last when the time is up, at once for
   *  any other reason (a password that is wrong, a Redis that would lose work), and `signal.reason` when that aborts. */
  until<T>(store: WaitedStore, open: () => Promise<T>): Promise<T>;
}

/** Does again what a start needs of the database, while that is out of reach. */
export type DatabaseWait = <T>(read: () => Promise<T>) => Promise<T>;

interface WaitedStore {
  name: string;
  url: string | undefined;
}

interface StoreWaitOptions {
  /** For all of them together, from now on. */
  limitMs: number;
  logger: Logger;
  signal: AbortSignal | undefined;
  /** Told before the first wait. */
  onWait(): Promise<void>;
}

const RETRY_MIN_MS = 250;
const RETRY_MAX_MS = 3_000;

export function createStoreWait({ limitMs, logger, signal, onWait }: StoreWaitOptions): StoreWait {
  const untilMs = performance.now() + limitMs;

  return {
    async until({ name, url }, open) {
      if (url === undefined) return await open();
      let hasWaited = false;
      for (let delayMs = RETRY_MIN_MS; ; delayMs = Math.min(2 * delayMs, RETRY_MAX_MS)) {
        try {
          const opened = await open();
          if (hasWaited) logger.info(`${name} is there`);
          return opened;
        } catch (error) {
          signal?.throwIfAborted();
          if (!isAway(error) || performance.now() + delayMs > untilMs) throw error;
          const leftMs = Math.round(untilMs - performance.now());
          logger.warn(`${name} is out of reach; the start waits for it`, { leftMs, error });
          if (!hasWaited) await onWait();
          hasWaited = true;
          await pause(delayMs, undefined, signal ? { signal } : {});
        }
      }
    },
  };
}

function isAway(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  return isRedisAway(error) || isConnectionError(error) || isConnectionError(error.cause);
}
