// I1: a run ends in exactly one of done, failed, abandoned or handed back. (I2 to I4: job-attempts.ts)
import type { AnswerFacts, ReplyError } from '../jobs/reply-bus.ts';
import type { SlotRefusal } from '../servers/routing-explanation.ts';
import type { SlotRequest } from '../servers/slot-choice.ts';
import { toReplyError } from './failure-policy.ts';
import { type AttemptsEnd, type AttemptsOptions, tryServers } from './job-attempts.ts';
import { type SplitOptions, trySplit } from './split-run.ts';
import { readUsage } from './token-usage.ts';

interface JobRunOptions extends AttemptsOptions, SplitOptions {
  /** Why there was no slot. */
  refusal(request: SlotRequest): SlotRefusal;
}

/** How the run ended; a failure's frame has been sent. `failed` is the servers' fault, not the caller's. */
export type JobRunEnd = { status: 'answered' } | { status: 'failed'; reason: string };

/** Runs a job to its answer. Throws the signal's reason when it aborts, and what is a fault of ours. */
export async function runJob(options: JobRunOptions, signal: AbortSignal): Promise<JobRunEnd> {
  const { job, reply, timeline } = options;
  const split = job.endpoint === 'embeddings' ? await trySplit(options, signal) : null;
  const end = split ?? (await tryServers(options, signal));
  if (end.status === 'answered') {
    const { body, usage } = end.result;
    timeline.add('done');
    await reply.done(body, { ...readUsage(usage), ...toFacts(options, end) });
    return { status: 'answered' };
  }
  const error = end.failure ? toReplyError(end.failure) : toRefusal(options.refusal(end.request));
  const reason = end.failure ? `${error.code} (${end.failure.kind})` : 'no server';
  if (!end.failure) timeline.add('failed', { reason: error.code });
  await reply.failed(error, { promptTokens: null, completionTokens: null, ...toFacts(options, end) });
  const isCallersFault = error.code === 'invalid_request' || error.code === 'payload_too_large';
  return isCallersFault ? { status: 'answered' } : { status: 'failed', reason };
}

type RunFacts = Pick<AnswerFacts, 'server' | 'attempts' | 'parkedMs' | 'timeline'>;

function toFacts({ parkedMs, timeline }: JobRunOptions, { server, attempts }: AttemptsEnd): RunFacts {
  return { server, attempts, parkedMs: parkedMs(), timeline: timeline.entries() };
}

function toRefusal({ code, retryAfterSeconds }: SlotRefusal): ReplyError {
  const message =
    code === 'rate_limit_exceeded'
      ? 'The servers that have this model take no more calls now.'
      : 'No server that has this model is healthy now.';
  return { code, message, param: code === 'rate_limit_exceeded' ? null : 'model', retryAfterSeconds };
}
