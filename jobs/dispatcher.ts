// I1: a request that was dispatched ends exactly once: with an answer, an error, or its caller's leaving.
// I2: no request waits longer than `totalMs`, whatever is lost on the way.
// I3: frames of an older attempt, or out of sequence, never reach a listener.
import { AppError, toAppError } from '../core/errors.ts';
import type { JobId } from '../core/ids.ts';
import { MODEL_CLASSES, type ModelClass } from '../core/schemas/model-class.ts';
import { NO_TRACING, type Tracing } from '../core/tracing.ts';
import { type Admission, tooLate } from './admission.ts';
import { createJobStop } from './job-stop.ts';
import type { ModelJob } from './model-job.ts';
import type { QueueSystem } from './queue-system.ts';
import type { BusMessage, ReplyFrame } from './reply-bus.ts';
import { startSend } from './send-span.ts';
import { newWaiter, type ReplyListener, type Waiter } from './waiter.ts';
import type { WaitingLine } from './waiting-line.ts';

export interface Dispatcher {
  /** Adds the job, which admission gave the `tag`, and routes what comes back to `listener`. Resolves when the store has the job, or the request has
   *  ended some other way; never throws. */
  dispatch(id: JobId, job: ModelJob, tag: number, listener: ReplyListener): Promise<void>;
  /** The caller has left: takes the job out of its queue or stops the worker that runs it. No listener is called. */
  cancel(id: JobId): void;
  /** How many requests wait now. */
  waiting(): number;
  /** Ends every request that still waits with `error`. */
  endAll(error: AppError): void;
  /** Ends those who have waited for too long and looks after those who have heard nothing for long; runs by itself
   *  each second. */
  tick(): Promise<void>;
  close(): void;
}

interface DispatcherOptions {
  queues: QueueSystem;
  admission: Admission;
  /** The longest a request may take, from its add to its end. */
  totalMs: number;
  now: () => number;
  /** Told how long the store took to take a job (ms). Must not throw. */
  onAdded?: (modelClass: ModelClass, tookMs: number) => void;
  tracing?: Tracing;
  isPaused?: (modelClass: ModelClass) => boolean;
}

const SWEEP_MS = 1_000;
/** Who waits for less is not told its place: to be told is to have the head of the answer. */
const PLACE_AFTER_MS = 1_000;
/** After this long without a frame the job's state is read from the store, and again each time it has passed. */
const SILENCE_MS = 10_000;
/** A store that does not answer for so long ends those who wait for it. */
const STORE_GRACE_MS = 15_000;

export function createDispatcher(options: DispatcherOptions): Dispatcher {
  const { queues, admission, totalMs, now } = options;
  const { onAdded = () => {}, tracing = NO_TRACING, isPaused = () => false } = options;
  const waiters = new Map<JobId, Waiter>();
  const jobStop = createJobStop(queues);
  const unsubscribe = queues.bus.subscribe(receive);
  const sweeper = setInterval(tick, SWEEP_MS);
  sweeper.unref();

  return {
    async dispatch(id, job, tag, listener) {
      const waiter = newWaiter({ id, job, tag, listener, nowMs: now(), totalMs });
      waiters.set(id, waiter);
      lineOf(waiter).join(id, tag, job.priority);
      const sending = startSend(tracing, id, job);
      try {
        await queues.queue(job.modelClass).add(id, sending.job, tag);
        sending.end();
        onAdded(job.modelClass, now() - waiter.startedMs);
        // Whoever left meanwhile found no job to stop.
        if (waiter.stopped) jobStop.stop(waiter);
      } catch (error) {
        sending.end(toAppError(error).code);
        // The add may have happened all the same. If a worker has the job, its answer counts.
        if (waiter.worker !== null) return;
        fail(waiter, toAppError(error));
        jobStop.stop(waiter);
      }
    },

    cancel(id) {
      const waiter = waiters.get(id);
      if (!waiter) return;
      forget(waiter);
      jobStop.stop(waiter);
    },

    waiting: () => waiters.size,

    endAll(error) {
      for (const waiter of waiters.values()) {
        fail(waiter, error);
        jobStop.stop(waiter);
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
    if (message.frame.type === 'taken') jobStop.tell(message.frame.worker, message.jobId);
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
      fail(waiter, new AppError('internal', 'A part of the answer was lost on its way.'), { isLost: true });
      jobStop.stop(waiter);
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
      admission.reached(waiter.job.modelClass, frame.virtual);
      lineOf(waiter).advance(waiter.id);
      waiter.listener.onTaken();
      return;
    }
    if (frame.type === 'parked') {
      lineOf(waiter).join(waiter.id, waiter.tag, waiter.job.priority);
      return;
    }
    if (frame.type === 'running') {
      admission.reached(waiter.job.modelClass, frame.virtual);
      lineOf(waiter).advance(waiter.id);
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
    if (frame.type === 'progress') {
      waiter.listener.onProgress?.(frame.call, frame.data);
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

  function fail(waiter: Waiter, error: AppError, { isLost = false } = {}): void {
    if (!forget(waiter)) return;
    const { server, attempts } = waiter;
    const facts = { server, attempts, parkedMs: 0, promptTokens: null, completionTokens: null };
    waiter.listener.onEnd({ status: 'failed', error, facts, ...(isLost ? { isLost } : {}) });
  }

  function endWith(waiter: Waiter, code: AppError['code'], message: string): void {
    fail(waiter, new AppError(code, message));
    jobStop.stop(waiter);
  }

  function forget(waiter: Waiter): boolean {
    lineOf(waiter).leave(waiter.id);
    return waiters.delete(waiter.id);
  }

  function lineOf({ job }: Waiter): WaitingLine {
    return admission.line(job.modelClass);
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
    tellPlaces(nowMs);
    await Promise.all(silent.map(readState));
  }

  function tellPlaces(nowMs: number): void {
    for (const modelClass of MODEL_CLASSES) {
      const stopped = isPaused(modelClass);
      for (const [id, place] of admission.line(modelClass).places()) {
        const waiter = waiters.get(id);
        if (!waiter) continue;
        if (nowMs < waiter.turnByMs) {
          if (nowMs - waiter.startedMs >= PLACE_AFTER_MS)
            waiter.listener.onQueued(stopped ? { ...place, etaMs: null, isPaused: true } : place);
          continue;
        }
        fail(waiter, tooLate(place, place.etaMs ?? SWEEP_MS));
        jobStop.stop(waiter);
      }
    }
  }

  // The bus may have lost the answer: what the store says of the job decides.
  async function readState(waiter: Waiter): Promise<void> {
    try {
      const state = await queues.queue(waiter.job.modelClass).state(waiter.id);
      waiter.storeLostMs = null;
      if (state.status === 'dead') {
        fail(waiter, new AppError('internal', `The job ended without an answer: ${state.reason}.`));
      }
      if (state.status === 'missing' || state.status === 'completed') await foundGone(waiter);
      else waiter.gone = false;
    } catch {
      waiter.storeLostMs ??= now();
      if (now() - waiter.storeLostMs < STORE_GRACE_MS) return;
      endWith(waiter, 'store_unavailable', 'The queue has been out of reach for too long.');
    }
  }

  async function foundGone(waiter: Waiter): Promise<void> {
    // A job ends after its answer was sent. Where this process is behind with its inbox, the answer is in there.
    if (waiter.gone) await queues.bus.caughtUp();
    if (waiter.gone)
      fail(waiter, new AppError('internal', 'The job ended, but its answer was lost.'), { isLost: true });
    waiter.gone = true;
    waiter.heardMs = now() - SILENCE_MS + SWEEP_MS;
  }
}
