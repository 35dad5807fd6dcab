// I1: a run ends in exactly one of done, failed, abandoned or handed back.
// I2: once the caller has seen a part of an answer, no other server is asked.
import { BackendFailure } from '../core/backend-failure.ts';
import type { JobId } from '../core/ids.ts';
import type { ModelJob } from '../jobs/model-job.ts';
import type { AnswerFacts, ReplyError } from '../jobs/reply-bus.ts';
import type { Slot, SlotRequest } from '../servers/balancer.ts';
import type { ModelClient } from '../servers/model-client.ts';
import { policyFor, type RetryOn, toReplyError } from './failure-policy.ts';
import { type CallTimes, callServer } from './model-call.ts';
import type { ReplyWriter } from './reply-writer.ts';
import { readUsage } from './token-usage.ts';

interface JobRunOptions {
  jobId: JobId;
  job: ModelJob;
  reply: ReplyWriter;
  client: ModelClient;
  times: CallTimes;
  attemptsMax: number;
  /** The next slot for the job, waiting for one if need be. */
  acquire(request: SlotRequest): Promise<Slot | 'none'> | Slot | 'none';
  parkedMs(): number;
}

/** How the run ended; a failure's frame has been sent. `failed` is the servers' fault, not the caller's. */
export type JobRunEnd = { status: 'answered' } | { status: 'failed'; reason: string };

const BACKOFF_MS = 50;

/** Runs a job to its answer: up to `attemptsMax` calls, on different servers while there are. Throws the signal's
 *  reason when it aborts, and what is a fault of ours. */
export async function runJob(options: JobRunOptions, signal: AbortSignal): Promise<JobRunEnd> {
  const { job, reply, attemptsMax } = options;
  const tried = new Set<string>();
  let attempts = 0;
  let server: string | null = null;
  let failure: BackendFailure | undefined;
  let retryOn: RetryOn = 'any';

  while (attempts < attemptsMax && retryOn !== 'none') {
    const slot = await options.acquire({ model: job.model, modelClass: job.modelClass, tried });
    if (slot === 'none') {
      if (tried.size === 0 || retryOn !== 'any') break;
      await pause(BACKOFF_MS * 2 ** attempts, signal);
      tried.clear();
      continue;
    }
    attempts++;
    server = slot.server.address.id;
    try {
      const sink = {
        started: () =>
          reply.started({ server: slot.server.address.id, attempts, parkedMs: options.parkedMs() }),
        chunks: reply.chunks,
      };
      const { body, usage } = await callServer({ ...options, slot, sink }, signal);
      await reply.done(body, { ...readUsage(usage), server, attempts, parkedMs: options.parkedMs() });
      return { status: 'answered' };
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof BackendFailure)) throw error;
      failure = error;
      tried.add(server);
      retryOn = reply.begun() ? 'none' : policyFor(error).retryOn;
    } finally {
      slot.release();
    }
  }
  if (!failure) return await endWith(NO_SERVER, 'no_healthy_server');
  const error = toReplyError(failure);
  return await endWith(error, `${error.code} (${failure.kind})`);

  async function endWith(error: ReplyError, reason: string): Promise<JobRunEnd> {
    const facts: AnswerFacts = {
      server,
      attempts,
      parkedMs: options.parkedMs(),
      promptTokens: null,
      completionTokens: null,
    };
    await reply.failed(error, facts);
    const callersFault = error.code === 'invalid_request' || error.code === 'payload_too_large';
    return callersFault ? { status: 'answered' } : { status: 'failed', reason };
  }
}

const NO_SERVER: ReplyError = {
  code: 'no_healthy_server',
  message: 'No server that has this model is healthy now.',
  param: 'model',
  retryAfterSeconds: 5,
};

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
