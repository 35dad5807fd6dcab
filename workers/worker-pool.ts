// I1: a job that waits for a free slot of its model never holds up one whose model has a free slot.
// I2: at most `parkedMax` jobs wait here; the others stay in, or go back to, their queue.
// I3: after `stop` no job is in this pool's hands: each has ended or is back in its queue.
import { setTimeout as pause } from 'node:timers/promises';
import { toAppError } from '../core/errors.ts';
import type { JobId } from '../core/ids.ts';
import type { Logger } from '../core/logger.ts';
import type { ModelClass } from '../core/schemas/model-class.ts';
import type { JobOutcome, TakenJob } from '../jobs/job-queue.ts';
import { ModelJob } from '../jobs/model-job.ts';
import type { QueueSystem } from '../jobs/queue-system.ts';
import type { Balancer, Slot, SlotRequest } from '../servers/balancer.ts';
import type { ModelClient } from '../servers/model-client.ts';
import { runJob } from './job-run.ts';
import type { CallTimes } from './model-call.ts';
import { createReplyWriter, type ReplyWriter } from './reply-writer.ts';
import { createWaiterCheck } from './waiter-check.ts';

export interface WorkerPool {
  /** Starts taking jobs. */
  start(): void;
  /** Jobs in hand: running and parked. */
  inHand(): { running: number; parked: number };
  /** Takes no further job, lets those in hand end for `graceMs`, and puts the rest back into their queue. */
  stop(graceMs: number): Promise<void>;
}

export interface WorkerPoolOptions {
  modelClass: ModelClass;
  queues: QueueSystem;
  balancer: Balancer;
  client: ModelClient;
  times: CallTimes & { totalMs: number };
  attemptsMax: number;
  /** Jobs that call a server at once. */
  concurrency: number;
  logger: Logger;
  parkedMax?: number;
}

/** A job in this pool's hands. */
interface Hand {
  abort: AbortController;
  /** Whether we are still in the call in which the queue handed the job over. */
  beginning: boolean;
  parkedMs: number;
}

/** Why a job's signal aborts; BullMQ's own reasons are texts. */
const ABANDONED = 'nobody waits for the answer';
const HANDED_BACK = 'the worker is leaving';
const OVERDUE = 'the job took too long';

const PARKED_MAX = 256;
const PUT_BACK_MS = 250;
const HAND_BACK_MS = 2_000;
const CLOSE_LIMIT_MS = 3_000;
/** A job that has waited so long asks first whether its caller still does. */
const ASK_AFTER_MS = 2_000;

export function createWorkerPool(options: WorkerPoolOptions): WorkerPool {
  const { modelClass, queues, balancer, client, times, attemptsMax, logger } = options;
  const { concurrency, parkedMax = PARKED_MAX } = options;
  const { bus } = queues;
  const hands = new Map<JobId, Hand>();
  const idle = new Set<() => void>();
  const waiterCheck = createWaiterCheck(bus);
  let parked = 0;
  let consumer: ReturnType<ReturnType<QueueSystem['queue']>['consume']> | undefined;
  let unsubscribe = () => {};
  let handingBack = false;

  return {
    start() {
      unsubscribe = bus.subscribe((message) => {
        if (message.kind === 'cancel') hands.get(message.jobId)?.abort.abort(ABANDONED);
      });
      consumer = queues.queue(modelClass).consume({ concurrency, run, onDead });
    },

    inHand: () => ({ running: hands.size - parked, parked }),

    async stop(graceMs) {
      consumer?.pause();
      await waitUntilIdle(graceMs);
      handingBack = true;
      for (const { abort } of hands.values()) abort.abort(HANDED_BACK);
      await waitUntilIdle(HAND_BACK_MS);
      // BullMQ's close never resolves while its store is out of reach.
      await Promise.race([consumer?.close(), pause(CLOSE_LIMIT_MS, undefined, { ref: false })]);
      unsubscribe();
      waiterCheck.close();
    },
  };

  async function run(taken: TakenJob, signal: AbortSignal): Promise<JobOutcome> {
    if (handingBack) return { status: 'put-back', delayMs: 0 };
    const hand: Hand = { abort: new AbortController(), beginning: true, parkedMs: 0 };
    const pass = () => hand.abort.abort(signal.reason);
    signal.addEventListener('abort', pass, { once: true });
    const timer = setTimeout(() => hand.abort.abort(OVERDUE), times.totalMs);
    hands.set(taken.id, hand);
    try {
      const outcome = runTaken(taken, hand);
      hand.beginning = false;
      return await outcome;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', pass);
      hands.delete(taken.id);
      if (hands.size === 0) for (const resolve of idle) resolve();
    }
  }

  async function runTaken(taken: TakenJob, hand: Hand): Promise<JobOutcome> {
    const parsed = ModelJob.safeParse(taken.data);
    if (!parsed.success) return { status: 'dead', reason: 'the job is not one of this version' };
    const job = parsed.data;
    const reply = createReplyWriter({
      bus,
      jobId: taken.id,
      attempt: taken.attempt,
      replyTo: job.replyTo,
      onLost: () => hand.abort.abort(ABANDONED),
    });
    const { signal } = hand.abort;
    try {
      // A second run, or one long after the caller asked, may be for nobody.
      if (taken.attempt > 1 || Date.now() - taken.addedAtMs > ASK_AFTER_MS) {
        if (!(await waiterCheck.isWaiting(job.replyTo, taken.id))) return { status: 'done' };
      }
      reply.taken();
      const acquire = (request: SlotRequest) => {
        const slot = balancer.tryAcquire(request);
        return slot === 'busy' ? park(hand, request) : slot;
      };
      const end = await runJob(
        { jobId: taken.id, job, reply, client, times, attemptsMax, acquire, parkedMs: () => hand.parkedMs },
        signal,
      );
      return end.status === 'answered' ? { status: 'done' } : { status: 'dead', reason: end.reason };
    } catch (error) {
      if (signal.aborted) return outcomeOfAbort(signal.reason);
      if (error === PARKING_FULL) return { status: 'put-back', delayMs: PUT_BACK_MS };
      logger.error('a job failed inside Citadel', { job: taken.id, error: toAppError(error) });
      await sendFailure(reply, error);
      return { status: 'dead', reason: 'internal' };
    }
  }

  /** Waits for a slot without counting against the pool's concurrency. */
  async function park(hand: Hand, request: SlotRequest): Promise<Slot | 'none'> {
    if (parked >= parkedMax) throw PARKING_FULL;
    const sinceMs = Date.now();
    const wasFull = hands.size >= concurrency + parked;
    parked++;
    consumer?.setConcurrency(concurrency + parked);
    // BullMQ looks at its concurrency when a job begins or ends, and this one may have begun long ago.
    if (wasFull && !hand.beginning) consumer?.wake();
    try {
      return await balancer.waitForSlot(request, hand.abort.signal);
    } finally {
      parked--;
      consumer?.setConcurrency(concurrency + parked);
      hand.parkedMs += Date.now() - sinceMs;
    }
  }

  // The job killed its worker too often to be run again: its caller must hear of it all the same.
  function onDead(taken: TakenJob, reason: string): void {
    const parsed = ModelJob.safeParse(taken.data);
    logger.error('a job is in the dead letter', { job: taken.id, reason });
    if (!parsed.success) return;
    const { replyTo } = parsed.data;
    const reply = createReplyWriter({
      bus,
      jobId: taken.id,
      attempt: taken.attempt,
      replyTo,
      onLost: () => {},
    });
    reply.taken();
    sendFailure(
      reply,
      new Error(reason),
      'The worker that ran this request died each time; it is not run again.',
    );
  }

  async function waitUntilIdle(limitMs: number): Promise<void> {
    if (hands.size === 0 || limitMs <= 0) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer);
        idle.delete(done);
        resolve();
      };
      const timer = setTimeout(done, limitMs);
      idle.add(done);
    });
  }
}

const PARKING_FULL = new Error('too many jobs wait for a slot');

function outcomeOfAbort(reason: unknown): JobOutcome {
  return reason === HANDED_BACK ? { status: 'put-back', delayMs: 0 } : { status: 'done' };
}

async function sendFailure(reply: ReplyWriter, error: unknown, message?: string): Promise<void> {
  const { code, message: own } = toAppError(error);
  const facts = { server: null, attempts: 0, parkedMs: 0, promptTokens: null, completionTokens: null };
  await reply.failed({ code, message: message ?? own, param: null }, facts).catch(() => {});
}
