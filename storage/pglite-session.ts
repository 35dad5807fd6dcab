import { Worker } from 'node:worker_threads';
import pg from 'pg';
import { AppError } from '../core/errors.ts';
import { endsWithin, withinLimit } from '../core/time-limit.ts';
import { toWireValue } from './pg-values.ts';
import type {
  Answer,
  FromThread,
  Statement,
  ThreadOptions,
  ToThread,
  WireError,
  WireResult,
} from './pglite-messages.ts';

const PENDING_MAX = 10_000;
const OVERDUE_CHECK_MS = 1_000;
const START_LIMIT_MS = 60_000;

interface Pending {
  resolve: (result: WireResult) => void;
  reject: (error: Error) => void;
  dueMs: number;
}

export interface PgliteSession {
  /** Sends one statement; statements run in the order they were sent. Gives up on it after `limitMs`; it may still
   *  run then. */
  run(text: string, params: readonly unknown[] | undefined, limitMs: number): Promise<WireResult>;
  /** Closes the database and ends the thread, by force after `limitMs`. */
  close(limitMs: number): Promise<void>;
}

export interface SessionEvents {
  onNotification: (channel: string, payload: string) => void;
  /** The thread died; what was pending has failed and nothing will work any more. */
  onFatal: (error: Error) => void;
}

/** Starts the thread and waits until its database is open. */
export async function openPgliteSession(
  directory: string | undefined,
  events: SessionEvents,
): Promise<PgliteSession> {
  const thread = startThread(directory);
  const pending = new Map<number, Pending>();
  let outbox: Statement[] = [];
  let lastId = 0;
  let ended: Error | undefined;
  let closing = false;

  function flush(): void {
    const message: ToThread = { kind: 'run', statements: outbox };
    outbox = [];
    thread.postMessage(message);
  }

  function settle(answer: Answer): void {
    const waiter = pending.get(answer.id);
    if (!waiter) return;
    pending.delete(answer.id);
    if (answer.error) waiter.reject(toDatabaseError(answer.error));
    else waiter.resolve(answer);
  }

  function end(cause: Error): void {
    if (ended) return;
    ended = cause;
    clearInterval(overdueCheck);
    for (const waiter of pending.values()) waiter.reject(cause);
    pending.clear();
    if (!closing) events.onFatal(cause);
  }

  function rejectOverdue(): void {
    const nowMs = performance.now();
    for (const [id, waiter] of pending) {
      if (waiter.dueMs > nowMs) continue;
      pending.delete(id);
      waiter.reject(new AppError('store_unavailable', 'The embedded database did not answer in time.'));
    }
  }

  await untilReady(thread);
  const overdueCheck = setInterval(rejectOverdue, OVERDUE_CHECK_MS).unref();
  thread.on('message', (message: FromThread) => {
    if (message.kind === 'answer') settle(message.answer);
    if (message.kind === 'notification') events.onNotification(message.channel, message.payload);
  });
  thread.on('error', (cause) => end(threadDied(cause)));
  thread.on('exit', () => end(threadDied(undefined)));

  return {
    run(text, params, limitMs) {
      if (ended) return Promise.reject(ended);
      if (pending.size >= PENDING_MAX) {
        return Promise.reject(
          new AppError('store_unavailable', 'The embedded database has too much work waiting.'),
        );
      }
      lastId += 1;
      const id = lastId;
      const values = params && params.length > 0 ? params.map(toWireValue) : undefined;
      return new Promise((resolve, reject) => {
        pending.set(id, { resolve, reject, dueMs: performance.now() + limitMs });
        // All that one turn of the event loop sends goes over in one message.
        if (outbox.length === 0) queueMicrotask(flush);
        outbox.push({ id, text, params: values });
      });
    },
    async close(limitMs) {
      closing = true;
      if (ended) return;
      const exited = new Promise((resolve) => thread.once('exit', resolve));
      const message: ToThread = { kind: 'close' };
      thread.postMessage(message);
      if (!(await endsWithin(exited, limitMs))) await thread.terminate();
    },
  };
}

function startThread(directory: string | undefined): Worker {
  const workerData: ThreadOptions = { directory };
  return new Worker(new URL('./pglite-thread.ts', import.meta.url), {
    name: 'pglite',
    workerData,
    execArgv: [],
  });
}

async function untilReady(thread: Worker): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onExit = () => reject(new Error('PGlite ended while it started'));
  thread.once('message', resolve);
  thread.once('error', reject);
  thread.once('exit', onExit);
  try {
    await withinLimit(promise, START_LIMIT_MS, 'PGlite did not start');
  } catch (cause) {
    await thread.terminate();
    throw new AppError('store_unavailable', 'The embedded database could not be opened.', { cause });
  } finally {
    thread.off('message', resolve).off('error', reject).off('exit', onExit);
  }
}

function threadDied(cause: unknown): AppError {
  return new AppError('store_unavailable', 'The embedded database has stopped.', { cause });
}

function toDatabaseError({ message, ...fields }: WireError): Error {
  return Object.assign(new pg.DatabaseError(message, 0, 'error'), fields);
}
