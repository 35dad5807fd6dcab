// Group commit: while one statement is on its way, what is decided gathers, and leaves in the next.
// I1: of one run, one commit is on its way at a time (its lane sees to that), so that a batch holds each run once.
// I2: while the database is away commits wait; nothing is given up before `stop`.
import { setTimeout as pause } from 'node:timers/promises';
import { AppError } from '../core/errors.ts';
import { failPoint } from '../core/fail-point.ts';
import type { Logger } from '../core/logger.ts';
import type { CommitOutcome, RunCommit, RunStore } from './run-store.ts';

export interface Committer {
  /** Throws AppError `store_unavailable` when the process stops first, and what the store says of a commit that it cannot
   *  take. `sizeChars`: about how much it holds. A commit whose signal is aborted while it waits is not made. */
  commit(change: RunCommit, sizeChars: number, signal?: AbortSignal): Promise<CommitOutcome>;
  /** What the store said last, while commits wait for it. */
  refusal(): AppError | null;
  /** Gives up what still waits for a database that is away. May be called twice. */
  stop(): void;
}

interface CommitterOptions {
  store: Pick<RunStore, 'commit'>;
  logger: Logger;
}

interface Waiting {
  change: RunCommit;
  sizeChars: number;
  signal: AbortSignal | undefined;
  resolve(outcome: CommitOutcome): void;
  reject(error: unknown): void;
}

const RUNS_MAX = 256;
const ROWS_MAX = 20_000;
const CHARS_MAX = 16_000_000;
const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 2_000;

export function createCommitter({ store, logger }: CommitterOptions): Committer {
  let waiting: Waiting[] = [];
  let isBusy = false;
  let refusal: AppError | null = null;
  const stopping = new AbortController();

  return {
    commit(change, sizeChars, signal) {
      return new Promise((resolve, reject) => {
        waiting.push({ change, sizeChars, signal, resolve, reject });
        if (!isBusy) work();
      });
    },
    refusal: () => refusal,
    stop: () => stopping.abort(),
  };

  async function work(): Promise<void> {
    isBusy = true;
    // What is decided in this turn of the event loop leaves together.
    await Promise.resolve();
    while (waiting.length > 0) await send(takeBatch());
    isBusy = false;
  }

  function takeBatch(): Waiting[] {
    let rows = 0;
    let chars = 0;
    let count = 0;
    for (const { change, sizeChars } of waiting) {
      rows += change.steps.length + change.events.length;
      chars += sizeChars;
      if (count > 0 && (rows > ROWS_MAX || chars > CHARS_MAX || count >= RUNS_MAX)) break;
      count += 1;
    }
    const batch = waiting.slice(0, count);
    waiting = waiting.slice(count);
    return batch;
  }

  async function send(all: Waiting[]): Promise<void> {
    let batch = all;
    for (let delayMs = RETRY_MIN_MS; ; delayMs = Math.min(delayMs * 2, RETRY_MAX_MS)) {
      batch = batch.filter(isWanted);
      if (batch.length === 0) {
        refusal = null;
        return;
      }
      try {
        failPoint('commit.before');
        const outcomes = await store.commit(batch.map(({ change }) => change));
        refusal = null;
        failPoint('commit.after');
        for (const [index, outcome] of outcomes.entries()) batch[index]?.resolve(outcome);
        return;
      } catch (error) {
        if (!isAway(error)) return await sendEach(batch, error);
        refusal = error;
        if (delayMs === RETRY_MIN_MS) logger.warn('the database is away; commits of runs wait', { error });
        if (stopping.signal.aborted) {
          for (const { reject } of batch) reject(error);
          return;
        }
        // Aborted, it is the last try.
        await pause(delayMs, undefined, { signal: stopping.signal }).catch(() => {});
      }
    }
  }

  // One run that the database refuses must not keep the others from being written.
  async function sendEach(batch: Waiting[], error: unknown): Promise<void> {
    const [only] = batch;
    if (batch.length === 1 && only) {
      logger.error('a run could not be committed', { runId: only.change.runId, error: error as Error });
      only.reject(error);
      return;
    }
    for (const one of batch) await send([one]);
  }
}

function isWanted({ signal, reject }: Waiting): boolean {
  if (signal?.aborted) reject(signal.reason);
  return !signal?.aborted;
}

function isAway(error: unknown): error is AppError {
  return error instanceof AppError && error.code === 'store_unavailable';
}
