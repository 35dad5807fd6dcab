// I1: a request that was dispatched ends exactly once: with an answer, an error, or its caller's leaving.
// I2: no request waits longer than `totalMs`, whatever is lost on the way.
// I3: frames of an older attempt, or out of sequence, never reach a listener.
import { AppError, toAppError } from '../core/errors.ts';
import type { JobId } from '../core/ids.ts';
import type { ModelClass } from '../core/schemas/model-class.ts';
import type { ModelJob } from './model-job.ts';
import type { QueueSystem } from './queue-system.ts';
import type { AnswerFacts, BusMessage, ReplyFrame } from './reply-bus.ts';

export type DispatchEnd =
  | { status: 'done'; body: string | null; facts: AnswerFacts }
  | { status: 'failed'; error: AppError; facts: AnswerFacts };

/** Who waits for an answer. Its functions are called in order, never at once, and must not throw. */
export interface ReplyListener {
  /** A worker has taken the job. */
  onTaken(): void;
  /** A stream's first token is here. */
  onStarted(start: { server: string; attempts: number; parkedMs: number }): void;
  /** Pieces of a stream: each the JSON text of one chunk. */
  onChunks(data: string[]): void;
  onEnd(end: DispatchEnd): void;
}

export interface Dispatcher {
  /** Adds the job and routes what comes back to `listener`. Resolves when the store has the job, or the request has
   *  ended some other way; never throws. */
  dispatch(id: JobId, job: ModelJob, listener: ReplyListener): Promise<void>;
  /** The caller has left: takes the job out of its queue or stops the worker that runs it. No listener is called. */
  cancel(id: JobId): void;
  /** How many requests wait now. */
  waiting(): number;
  /** How many of this process's requests of a class no worker has taken yet. */
  queued(modelClass: ModelClass): number;
  /** Ends every request that still waits with `error`. */
  endAll(error: AppError): void;
  /** Ends those who have waited for too long and looks after those who have heard nothing for long; runs by itself
   *  each second. */
  tick(): Promise<void>;
  close(): void;
}

interface DispatcherOptions {
  queues: QueueSystem;
  /** The longest a request may take, from its add to its end. */
  totalMs: number;
  now: () => number;
}

interface Waiter {
  id: JobId;
  job: ModelJob;
  listener: ReplyListener;
  /** The worker that has the job; null while none is known. */
  worker: ModelJob['replyTo'] | null;
  attempt: number;
  nextSeq: number;
  /** Whether the listener has seen a part of the answer, its start included, so that a new attempt cannot start
   *  over. */
  begun: boolean;
  deadlineMs: number;
  heardMs: number;
  server: string | null;
  attempts: number;
  /** Since when the store has not answered for this job; null while it does. */
  storeLostMs: number | null;
  /** Whether the store has just said that the job is gone; its answer may be on the way. */
  gone: boolean;
  /** Whether it counts among the queued of its class: from its dispatch until a worker takes it, or it ends. */
  queued: boolean;
  /** Whether the job must not run any more. */
  stopped: boolean;
}

const SWEEP_MS = 1_000;
/** After this long without a frame the job's state is read from the store, and again each time it has passed. */
const SILENCE_MS = 10_000;
/** A store that does not answer for so long ends those who wait for it. */
const STORE_GRACE_MS = 15_000;

export function createDispatcher({ queues, totalMs, now }: DispatcherOptions): Dispatcher {
  const waiters = new Map<JobId, Waiter>();
  const queuedCounts: Record<ModelClass, number> = { lightweight: 0, heavyweight: 0, embedding: 0 };
  const unsubscribe = queues.bus.subscribe(receive);
  const sweeper = setInterval(tick, SWEEP_MS);
  sweeper.unref();

  return {
    async dispatch(id, job, listener) {
      const startedMs = now();
      const waiter: Waiter = {
        id,
        job,
        listener,
        worker: null,
        attempt: 0,
        nextSeq: 0,
        begun: false,
        deadlineMs: startedMs + totalMs,
        heardMs: startedMs,
        server: null,
        attempts: 0,
        storeLostMs: null,
        gone: false,
        queued: true,
        stopped: false,
      };
      waiters.set(id, waiter);
      queuedCounts[job.modelClass]++;
      try {
        await queues.queue(job.modelClass).add(id, job);
        // Whoever left meanwhile found no job to stop.
        if (waiter.stopped) stopJob(waiter);
      } catch (error) {
        // The add may have happened all the same. If a worker has the job, its answer counts.
        if (waiter.worker !== null) return;
        fail(waiter, toAppError(error));
        stopJob(waiter);
      }
    },

    cancel(id) {
      const waiter = waiters.get(id);
      if (!waiter) return;
      forget(waiter);
      stopJob(waiter);
    },

    waiting: () => waiters.size,
    queued: (modelClass) => queuedCounts[modelClass],

    endAll(error) {
      for (const waiter of waiters.values()) {
        fail(waiter, error);
        stopJob(waiter);
      }
    },

    tick,

    close() {
      clearInterval(sweeper);
      unsubscribe();
    },
  };

  function receive(message: BusMessage): void {
    if (message.kind === 'ask') {
      const answer = { kind: 'waiting', jobId: message.jobId, waiting: waiters.has(message.jobId) } as const;
      queues.bus.send(message.from, answer).catch(() => {});
      return;
    }
    if (message.kind !== 'reply') return;
    const waiter = waiters.get(message.jobId);
    if (waiter) {
      receiveFrame(waiter, message.attempt, message.seq, message.frame);
      return;
    }
    // Nobody waits (the caller left before the worker was known): the worker must not go on.
    if (message.frame.type === 'taken') tell(message.frame.worker, message.jobId);
  }

  function receiveFrame(waiter: Waiter, attempt: number, seq: number, frame: ReplyFrame): void {
    if (attempt < waiter.attempt) return;
    if (attempt > waiter.attempt) {
      waiter.attempt = attempt;
      waiter.nextSeq = 0;
      // A cancel must reach the new worker; where its first frame was lost, all are told.
      waiter.worker = frame.type === 'taken' ? frame.worker : null;
      if (waiter.begun) {
        endWith(waiter, 'bad_backend', 'The worker that streamed this answer was lost.');
        return;
      }
    }
    if (seq < waiter.nextSeq) return;
    if (seq > waiter.nextSeq) {
      endWith(waiter, 'internal', 'A part of the answer was lost on its way.');
      return;
    }
    waiter.nextSeq = seq + 1;
    waiter.heardMs = now();
    waiter.storeLostMs = null;
    waiter.gone = false;
    deliver(waiter, frame);
  }

  function deliver(waiter: Waiter, frame: ReplyFrame): void {
    if (frame.type === 'taken') {
      waiter.worker = frame.worker;
      leaveQueue(waiter);
      waiter.listener.onTaken();
      return;
    }
    if (frame.type === 'started') {
      waiter.begun = true;
      waiter.server = frame.server;
      waiter.attempts = frame.attempts;
      waiter.listener.onStarted(frame);
      return;
    }
    if (frame.type === 'chunks') {
      waiter.listener.onChunks(frame.data);
      return;
    }
    forget(waiter);
    if (frame.type === 'done') {
      waiter.listener.onEnd({ status: 'done', body: frame.body, facts: frame.facts });
      return;
    }
    const { code, message, ...options } = frame.error;
    waiter.listener.onEnd({
      status: 'failed',
      error: new AppError(code, message, options),
      facts: frame.facts,
    });
  }

  function fail(waiter: Waiter, error: AppError): void {
    if (!forget(waiter)) return;
    const { server, attempts } = waiter;
    const facts = { server, attempts, parkedMs: 0, promptTokens: null, completionTokens: null };
    waiter.listener.onEnd({ status: 'failed', error, facts });
  }

  function endWith(waiter: Waiter, code: AppError['code'], message: string): void {
    fail(waiter, new AppError(code, message));
    stopJob(waiter);
  }

  function forget(waiter: Waiter): boolean {
    leaveQueue(waiter);
    return waiters.delete(waiter.id);
  }

  function leaveQueue(waiter: Waiter): void {
    if (waiter.queued) queuedCounts[waiter.job.modelClass]--;
    waiter.queued = false;
  }

  function stopJob(waiter: Waiter): void {
    waiter.stopped = true;
    if (waiter.worker !== null) {
      tell(waiter.worker, waiter.id);
      return;
    }
    removeOrBroadcast(waiter).catch(() => {});
  }

  async function removeOrBroadcast(waiter: Waiter): Promise<void> {
    const removed = await queues
      .queue(waiter.job.modelClass)
      .remove(waiter.id)
      .catch(() => false);
    if (!removed) await queues.bus.broadcast({ kind: 'cancel', jobId: waiter.id });
  }

  function tell(worker: ModelJob['replyTo'], jobId: JobId): void {
    queues.bus.send(worker, { kind: 'cancel', jobId }).catch(() => {});
  }

  async function tick(): Promise<void> {
    const nowMs = now();
    const silent: Waiter[] = [];
    for (const waiter of waiters.values()) {
      if (nowMs >= waiter.deadlineMs) {
        endWith(waiter, 'deadline_exceeded', `The request took longer than ${totalMs} ms.`);
        continue;
      }
      if (nowMs - waiter.heardMs < SILENCE_MS) continue;
      waiter.heardMs = nowMs;
      silent.push(waiter);
    }
    await Promise.all(silent.map(readState));
  }

  // The bus may have lost the answer: what the store says of the job decides.
  async function readState(waiter: Waiter): Promise<void> {
    try {
      const state = await queues.queue(waiter.job.modelClass).state(waiter.id);
      waiter.storeLostMs = null;
      if (state.status === 'dead') {
        fail(waiter, new AppError('internal', `The job ended without an answer: ${state.reason}.`));
      }
      if (state.status === 'missing' || state.status === 'completed') foundGone(waiter);
      else waiter.gone = false;
    } catch {
      waiter.storeLostMs ??= now();
      if (now() - waiter.storeLostMs < STORE_GRACE_MS) return;
      endWith(waiter, 'store_unavailable', 'The queue has been out of reach for too long.');
    }
  }

  function foundGone(waiter: Waiter): void {
    if (waiter.gone) fail(waiter, new AppError('internal', 'The job ended, but its answer was lost.'));
    waiter.gone = true;
    waiter.heardMs = now() - SILENCE_MS + SWEEP_MS;
  }
}
