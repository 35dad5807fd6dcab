// I2: once the caller has seen a part of an answer, no other server is asked.
// I3: each call's outcome is told to the balancer once; a call that was given up counts against no server.
// I4: a call is made again only within the retry budget, and servers that hang add no more than first-token-limit.ts
//     allows.
import { BackendFailure } from '../core/backend-failure.ts';
import type { JobId } from '../core/ids.ts';
import type { Tracing } from '../core/tracing.ts';
import type { ModelJob } from '../jobs/model-job.ts';
import type { ModelClient } from '../servers/model-client.ts';
import type { Slot } from '../servers/slot.ts';
import type { SlotRequest } from '../servers/slot-choice.ts';
import type { AttemptMetrics } from './attempt-metrics.ts';
import { startAttemptSpan } from './attempt-span.ts';
import { callerOf } from './caller-identity.ts';
import { policyFor, type RetryOn } from './failure-policy.ts';
import { firstTokenLimit } from './first-token-limit.ts';
import type { JobTimeline } from './job-timeline.ts';
import { type CallResult, type CallTimes, callServer } from './model-call.ts';
import type { ReplyWriter } from './reply-writer.ts';
import type { RetryBudget } from './retry-budget.ts';

export interface AttemptsOptions {
  jobId: JobId;
  job: ModelJob;
  tag: number;
  reply: ReplyWriter;
  timeline: JobTimeline;
  client: ModelClient;
  times: CallTimes;
  attemptsMax: number;
  retryBudget: RetryBudget;
  metrics: AttemptMetrics;
  tracing: Tracing;
  /** For the first call, where it is there already. */
  firstSlot?: Slot;
  /** The next slot for the job, waiting for one if need be. Throws the signal's reason. */
  acquire(request: SlotRequest, signal: AbortSignal): Promise<Slot | 'none'> | Slot | 'none';
  /** Told of each call that begins; answers what to do at its end. */
  onCall(call: RunningCall): () => void;
  parkedMs(): number;
}

/** A call that may still be moved to another server. */
export interface RunningCall {
  serverId: string;
  request: SlotRequest;
  /** Ends the call; the job goes on at another server. */
  move(): void;
}

/** How the calls for one answer ended. Without a `failure` there was no server for the `request`. */
export type AttemptsEnd = AttemptsMade &
  (
    | { status: 'answered'; result: CallResult }
    | { status: 'failed'; failure: BackendFailure }
    | { status: 'failed'; failure: null; request: SlotRequest }
  );

interface AttemptsMade {
  /** The last one that was called; null when none was. */
  server: string | null;
  attempts: number;
}

type CallOutcome =
  | { status: 'answered'; result: CallResult }
  | { status: 'moved' }
  | { status: 'failed'; failure: BackendFailure };

const BACKOFF_MS = 25;
/** Moves are no failures of the job, but they must end too. */
const MOVES_MAX = 10;

/** Calls servers until one answers: up to `attemptsMax` times, different ones while there are. Throws the signal's reason
 *  when it aborts, and what is a fault of ours. */
export async function tryServers(options: AttemptsOptions, signal: AbortSignal): Promise<AttemptsEnd> {
  const { reply, attemptsMax, retryBudget } = options;
  const request = toSlotRequest(options);
  let slot: Slot | 'none' | undefined = options.firstSlot;
  let attempts = 0;
  let moves = 0;
  let failingMs = 0;
  let server: string | null = null;
  let failure: BackendFailure | null = null;
  let retryOn: RetryOn = 'any';

  while (attempts < attemptsMax && retryOn !== 'none') {
    slot ??= await options.acquire(request, signal);
    if (slot === 'none') {
      if (request.tried.size === 0 || retryOn !== 'any') break;
      await pause(BACKOFF_MS * 2 ** attempts, signal);
      beginAnew(request);
      slot = undefined;
      continue;
    }
    if (attempts > 0 && failure && !retryBudget.tryRetry()) {
      options.metrics.refused(options.job.modelClass, failure);
      slot.release();
      break;
    }
    if (failure) options.metrics.retried(options.job.modelClass, failure);
    if (attempts === 0) retryBudget.called();
    attempts++;
    server = slot.server.address.id;
    const sinceMs = performance.now();
    const outcome = await makeCall({ ...options, slot, request, attempts, failingMs }, signal);
    if (outcome.status === 'answered') return { ...outcome, server, attempts };
    slot = undefined;
    request.tried.add(server);
    if (outcome.status === 'moved') {
      attempts--;
      if (++moves >= MOVES_MAX) break;
      continue;
    }
    failingMs += performance.now() - sinceMs;
    failure = outcome.failure;
    retryOn = reply.begun() ? 'none' : policyFor(failure).retryOn;
  }
  const made = { status: 'failed', server, attempts } as const;
  return failure ? { ...made, failure } : { ...made, failure, request };
}

type RunRequest = SlotRequest & { tried: Set<string>; again: Set<string> };

function toSlotRequest({ job, tag, timeline }: AttemptsOptions): RunRequest {
  const { model, modelClass, stream: isStream } = job;
  const { isWanted: explains } = timeline;
  return { model, modelClass, isStream, tag, explains, tried: new Set(), again: new Set() };
}

/** No other server is left: those that failed may be asked again, also where the failure was to connect. */
function beginAnew({ tried, again }: RunRequest): void {
  for (const id of tried) again.add(id);
  tried.clear();
}

interface CallOptions extends AttemptsOptions {
  slot: Slot;
  request: SlotRequest;
  attempts: number;
  /** How long calls of this job have failed so far. */
  failingMs: number;
}

/** Makes one call and gives its slot back. Throws the job's signal's reason, and what is a fault of ours. */
async function makeCall(options: CallOptions, signal: AbortSignal): Promise<CallOutcome> {
  const { slot, reply, job, attempts, request, failingMs, timeline, metrics } = options;
  const serverId = slot.server.address.id;
  const about = { server: serverId, attempt: attempts };
  timeline.add('attempt', { ...about, ...slot.choice });
  const span = startAttemptSpan(options.tracing, { job, slot, attempt: attempts });
  const attempt = new AbortController();
  const abort = () => attempt.abort(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  let isMoved = false;
  const ended = options.onCall({
    serverId,
    request,
    move() {
      isMoved = true;
      attempt.abort(new Error('the job is moved to another server'));
    },
  });
  try {
    signal.throwIfAborted();
    const sink = {
      started() {
        const start = { server: serverId, attempts, parkedMs: options.parkedMs() };
        reply.started({ ...start, timeline: timeline.entries() });
      },
      chunks: reply.chunks,
      progress: (data: string[]) => reply.progress(attempts, data),
      answered() {
        span.firstToken();
        timeline.add('first_token', about);
      },
    };
    // I4
    const firstTokenMs = firstTokenLimit({
      ...options.times,
      failingMs,
      hasAlternative: slot.hasAlternative,
    });
    const times = { ...options.times, firstTokenMs };
    const result = await callServer({ ...options, times, sink, trace: span.context }, attempt.signal);
    slot.release({ status: 'passed' });
    metrics.answered(job.modelClass);
    span.answered(result);
    return { status: 'answered', result };
  } catch (error) {
    span.failed(signal.aborted ? 'cancelled' : isMoved ? 'moved' : error);
    if (signal.aborted) metrics.stopped(job.modelClass, 'left');
    signal.throwIfAborted();
    if (isMoved) {
      metrics.stopped(job.modelClass, 'moved');
      timeline.add('failed', { ...about, reason: 'moved: its server takes no more work' });
      return { status: 'moved' };
    }
    if (!(error instanceof BackendFailure)) throw error;
    slot.release({ status: 'failed', failure: error, caller: callerOf(job) });
    metrics.failed(job.modelClass, error);
    timeline.add('failed', { ...about, reason: reasonOf(error) });
    return { status: 'failed', failure: error };
  } finally {
    signal.removeEventListener('abort', abort);
    ended();
    slot.release();
  }
}

function reasonOf({ kind, status }: BackendFailure): string {
  return status === undefined ? kind : `${kind} ${status}`;
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal.addEventListener('abort', stop, { once: true });
  });
}
