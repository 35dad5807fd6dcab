import { toAppError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import type { LedgerEntry, LedgerStore } from './ledger-store.ts';
import type { ModelJob } from './model-job.ts';
import type { TokenGaps } from './token-gaps.ts';

/** Keeps what is to be written, and writes it in batches off the request's path. */
export interface Ledger {
  /** Never waits and never throws. When the store has been away for so long that `entriesMax` wait, the oldest entry
   *  is given up, and the log says how many were. */
  record(entry: LedgerEntry, job: RecordedJob): void;
  /** Entries that wait to be written. */
  pending(): number;
  /** Writes what waits, once; throws what the store threw. */
  flush(): Promise<void>;
  /** Flushes and stops. What cannot be written is counted in the log. */
  close(): Promise<void>;
}

/** What of the job that ended is not in its line, and is measured all the same. */
export interface RecordedJob extends Pick<ModelJob, 'priority'> {
  /** Of an answer that comes piece by piece. */
  gaps?: TokenGaps | undefined;
}

interface LedgerOptions {
  store: LedgerStore;
  logger: Logger;
  /** Told of each line when it is recorded. Must not throw. */
  onRecord?: (entry: LedgerEntry, job: RecordedJob) => void;
  intervalMs?: number;
  batchMax?: number;
  entriesMax?: number;
}

const RETRY_MS_MAX = 5_000;

export function createLedger({
  store,
  logger,
  onRecord = () => {},
  intervalMs = 250,
  batchMax = 500,
  entriesMax = 50_000,
}: LedgerOptions): Ledger {
  let entries: LedgerEntry[] = [];
  let givenUp = 0;
  let waitMs = intervalMs;
  let timer: NodeJS.Timeout | undefined;
  let writing = Promise.resolve();
  let closed = false;

  return {
    record(entry, job) {
      if (entries.length >= entriesMax) {
        entries.shift();
        givenUp++;
      }
      entries.push(entry);
      onRecord(entry, job);
      schedule();
    },
    pending: () => entries.length,
    flush,
    async close() {
      closed = true;
      clearTimeout(timer);
      await flush().catch((error) => {
        logger.error('ledger rows were lost at shutdown', { rows: entries.length, error: toAppError(error) });
      });
      reportGivenUp();
    },
  };

  function schedule(): void {
    if (timer !== undefined || closed) return;
    timer = setTimeout(tick, waitMs);
    timer.unref();
  }

  async function tick(): Promise<void> {
    try {
      await flush();
      waitMs = intervalMs;
      reportGivenUp();
    } catch (error) {
      if (waitMs === intervalMs)
        logger.warn('the ledger cannot be written; its rows are kept', { error: toAppError(error) });
      waitMs = Math.min(waitMs * 2, RETRY_MS_MAX);
    }
    timer = undefined;
    if (entries.length > 0) schedule();
  }

  function reportGivenUp(): void {
    if (givenUp > 0) logger.error('ledger rows were given up while the store was away', { rows: givenUp });
    givenUp = 0;
  }

  // One writer at a time, so that a batch is either in `entries` or in the store.
  function flush(): Promise<void> {
    writing = writing.catch(() => {}).then(writeAll);
    return writing;
  }

  async function writeAll(): Promise<void> {
    while (entries.length > 0) {
      const batch = entries.slice(0, batchMax);
      await store.append(batch);
      const written = new Set(batch);
      entries = entries.filter((entry) => !written.has(entry));
    }
  }
}
