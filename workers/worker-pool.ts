// I1: a job that waits for a free slot of its model never holds up one whose model has a free slot.
// I2: at most `parkedMax` jobs wait here; the others stay in, or go back to, their queue.
// I3: after `stop` no job is in this pool's hands: each has ended or is back in its queue.
import { toAppError } from '../core/errors.ts';
import type { JobId } from '../core/ids.ts';
import type { Logger } from '../core/logger.ts';
import { NO_METRICS } from '../core/metrics.ts';
import type { ModelClass } from '../core/schemas/model-class.ts';
import { NO_TRACING, type Tracing } from '../core/tracing.ts';
import { virtualOf } from '../jobs/fair-order.ts';
import type { JobOutcome, TakenJob } from '../jobs/job-queue.ts';
import { ModelJob } from '../jobs/model-job.ts';
import type { QueueSystem } from '../jobs/queue-system.ts';
import type { Balancer } from '../servers/balancer.ts';
import type { ModelClient } from '../servers/model-client.ts';
import type { Slot } from '../servers/slot.ts';
import type { SlotRequest } from '../servers/slot-choice.ts';
import { type AttemptMetrics, createAttemptMetrics } from './attempt-metrics.ts';
import { sendFailure, tellOfDeath } from './failure-reply.ts';
import type { RunningCall } from './job-attempts.ts';
import { runJob } from './job-run.ts';
import { startJobSpan } from './job-span.ts';
import { createJobTimeline, type JobTimeline } from './job-timeline.ts';
import type { CallTimes } from './model-call.ts';
import { createReplyWriter, type ReplyWriter } from './reply-writer.ts';
import type { RetryBudget } from './retry-budget.ts';
import { createWaiterCheck } from './waiter-check.ts';

export interface WorkerPool {
  /** Starts taking jobs. */
  start(): void;
  /** Jobs in hand: running and parked. */
  inHand(): { running: number; parked: number };
  /** Ends the calls on this server that have sent nothing yet, where another one can take them; how many. */
  moveFrom(serverId: string): number;
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
  retryBudget: RetryBudget;
  /** Jobs that call a server at once. */
  concurrency: number;
  logger: Logger;
  metrics?: AttemptMetrics;
  tracing?: Tracing;
  parkedMax?: number;
}

/** A job in this pool's hands. */
interface Hand {
  abort: AbortController;
  parkedMs: number;
  /** The calls that it makes now: several, where it is split over servers. */
  calls: Set<RunningCall>;
  /** Whether its caller has seen a part of the answer. */
  begun: () => boolean;
}

interface Parking {
  hand: Hand;
  job: ModelJob;
  addedAtMs: number;
  request: SlotRequest;
  reply: ReplyWriter;
  timeline: JobTimeline;
}

/** Why a job's signal aborts, beside the queue's own reasons. */
const ABANDONED = 'nobody waits for the answer';
const HANDED_BACK = 'the worker is leaving';
const OVERDUE = 'the job took too long';

const UNMEASURED = createAttemptMetrics(NO_METRICS);
const PARKED_MAX = 256;
const PUT_BACK_MS = 250;
const HAND_BACK_MS = 2_000;
/** A job that has waited so long asks first whether its caller still does. */
const ASK_AFTER_MS = 2_000;

export function createWorkerPool(options: WorkerPoolOptions): WorkerPool {
  const { modelClass, queues, balancer, client, times, attemptsMax, retryBudget, logger } = options;
  const { concurrency, parkedMax = PARKED_MAX, metrics = UNMEASURED } = options;
  const { tracing = NO_TRACING } = options;
  const { bus } = queues;
  const hands = new Map<JobId, Hand>();
  const idle = new Set<() => void>();
  const waiterCheck = createWaiterCheck(bus);
  const parked = new Map<Hand, { tag: number; leave: AbortController }>();
  let consumer: ReturnType<ReturnType<QueueSystem['queue']>['consume']> | undefined;
  let unsubscribe = () => {};
  let handingBack = false;
  /** How far the queue has come, as the tags of the jobs tell that have run. */
  let virtual = 0;
  const startedMs = Date.now();

  return {
    start() {
      unsubscribe = bus.subscribe((message) => {
        if (message.kind === 'cancel') hands.get(message.jobId)?.abort.abort(ABANDONED);
        if (message.kind === 'order-reset' && message.modelClass === modelClass) virtual = 0;
      });
      consumer = queues.queue(modelClass).consume({ concurrency, run, onDead });
    },

    inHand: () => ({ running: hands.size - parked.size, parked: parked.size }),

    moveFrom(serverId) {
      let moved = 0;
      const running = [...hands.values()].filter(({ begun }) => !begun()).flatMap(({ calls }) => [...calls]);
      for (const call of running) {
        if (call.serverId !== serverId) continue;
        const elsewhere = { ...call.request, tried: new Set([...call.request.tried, serverId]) };
        if (!balancer.canServe(elsewhere)) continue;
        call.move();
        moved++;
      }
      return moved;
    },

    async stop(graceMs) {
      consumer?.pause();
      await waitUntilIdle(graceMs);
      handingBack = true;
      for (const { abort } of hands.values()) abort.abort(HANDED_BACK);
      await waitUntilIdle(HAND_BACK_MS);
      await consumer?.close();
      unsubscribe();
      waiterCheck.close();
    },
  };

  async function run(taken: TakenJob, abort: AbortController): Promise<JobOutcome> {
    if (handingBack) return { status: 'put-back', delayMs: 0 };
    const hand: Hand = { abort, parkedMs: 0, calls: new Set(), begun: () => false };
    const timer = setTimeout(() => abort.abort(OVERDUE), times.totalMs);
    hands.set(taken.id, hand);
    try {
      return await runTaken(taken, hand);
    } finally {
      clearTimeout(timer);
      hands.delete(taken.id);
      if (hands.size === 0) for (const resolve of idle) resolve();
    }
  }

  async function runTaken(taken: TakenJob, hand: Hand): Promise<JobOutcome> {
    const parsed = ModelJob.safeParse(taken.data);
    if (!parsed.success) return { status: 'dead', reason: 'the job is not one of this version' };
    const span = startJobSpan(tracing, taken, parsed.data);
    return span.ended(await runParsed(taken, span.job, hand));
  }

  async function runParsed(taken: TakenJob, job: ModelJob, hand: Hand): Promise<JobOutcome> {
    const reply = createReplyWriter({
      bus,
      jobId: taken.id,
      attempt: taken.attempt,
      replyTo: job.replyTo,
      onLost: () => hand.abort.abort(ABANDONED),
    });
    hand.begun = reply.begun;
    const { signal } = hand.abort;
    const timeline = createJobTimeline(job.explain === true);
    try {
      if (mayBeForNobody(taken)) {
        if (!(await waiterCheck.isWaiting(job.replyTo, taken.id))) return { status: 'done' };
      }
      reply.taken(virtual);
      timeline.add('taken');
      const acquire = (request: SlotRequest, attemptSignal: AbortSignal) => {
        const slot = balancer.tryAcquire(request);
        const isPatient = slot === 'none' && request.tried.size === 0 && job.maxWaitMs !== null;
        if (slot === 'busy' || isPatient)
          return park({ hand, request, reply, timeline, job, addedAtMs: taken.addedAtMs }, attemptSignal);
        reach(taken.tag, job);
        return slot;
      };
      const end = await runJob(
        {
          jobId: taken.id,
          job,
          tag: taken.tag,
          reply,
          timeline,
          client,
          times,
          attemptsMax,
          retryBudget,
          ...{ metrics, tracing },
          acquire,
          acquireFree: acquireNow,
          refusal: balancer.refusal,
          onCall: (call) => {
            hand.calls.add(call);
            return () => hand.calls.delete(call);
          },
          parkedMs: () => hand.parkedMs,
        },
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

  function acquireNow(request: SlotRequest): Slot | null {
    const slot = balancer.tryAcquire(request);
    return typeof slot === 'string' ? null : slot;
  }

  function reach(tag: number, { priority }: ModelJob): void {
    virtual = Math.max(virtual, virtualOf(tag, priority));
  }

  /** A second run, one long after the caller asked, or one left by a process that may have died with its callers. */
  function mayBeForNobody({ attempt, addedAtMs }: TakenJob): boolean {
    return attempt > 1 || addedAtMs < startedMs || Date.now() - addedAtMs > ASK_AFTER_MS;
  }

  /** Waits for a slot without counting against the pool's concurrency. */
  async function park(parking: Parking, signal: AbortSignal): Promise<Slot | 'none'> {
    const { hand, request, reply } = parking;
    reply.parked();
    parking.timeline.add('parked');
    if (parked.size >= parkedMax) makeRoomFor(request);
    const sinceMs = Date.now();
    const leave = new AbortController();
    parked.set(hand, { tag: request.tag ?? 0, leave });
    consumer?.setConcurrency(concurrency + parked.size);
    try {
      const slot = await waitForTurn(parking, AbortSignal.any([signal, leave.signal]));
      reach(request.tag ?? 0, parking.job);
      reply.running(virtual);
      return slot;
    } finally {
      parked.delete(hand);
      consumer?.setConcurrency(concurrency + parked.size);
      hand.parkedMs += Date.now() - sinceMs;
    }
  }

  async function waitForTurn(
    { request, job, addedAtMs }: Parking,
    signal: AbortSignal,
  ): Promise<Slot | 'none'> {
    for (;;) {
      const slot = await balancer.waitForSlot(request, signal);
      const leftMs = addedAtMs + (job.maxWaitMs ?? 0) - Date.now();
      if (slot !== 'none' || request.tried.size > 0 || leftMs <= 0) return slot;
      if (!(await balancer.waitForServer(request, leftMs, signal))) return 'none';
    }
  }

  /** Who waits longest of those parked goes back into the queue, unless that is the newcomer itself. */
  function makeRoomFor({ tag = 0 }: SlotRequest): void {
    const [last] = [...parked.values()].sort((a, b) => b.tag - a.tag);
    if (!last || last.tag <= tag) throw PARKING_FULL;
    last.leave.abort(PARKING_FULL);
  }

  function onDead(taken: TakenJob, reason: string): void {
    logger.error('a job is in the dead letter', { job: taken.id, reason });
    tellOfDeath(bus, taken, { reason, virtual });
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
