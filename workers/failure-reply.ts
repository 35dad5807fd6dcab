// What a caller hears of a job that ended by a fault of ours.
import { toAppError } from '../core/errors.ts';
import type { TakenJob } from '../jobs/job-queue.ts';
import { ModelJob } from '../jobs/model-job.ts';
import type { ReplyBus } from '../jobs/reply-bus.ts';
import { createReplyWriter, type ReplyWriter } from './reply-writer.ts';

/** Sends the end of a failed job; `message` over the error's own. Never throws. */
export async function sendFailure(reply: ReplyWriter, error: unknown, message?: string): Promise<void> {
  const { code, message: own } = toAppError(error);
  const facts = { server: null, attempts: 0, parkedMs: 0, promptTokens: null, completionTokens: null };
  await reply.failed({ code, message: message ?? own, param: null }, facts).catch(() => {});
}

/** A job killed its worker too often to be run again: its caller must hear of it all the same. */
export function tellOfDeath(bus: ReplyBus, taken: TakenJob, { reason, virtual }: DeathNews): void {
  const parsed = ModelJob.safeParse(taken.data);
  if (!parsed.success) return;
  const { replyTo } = parsed.data;
  const reply = createReplyWriter({
    bus,
    jobId: taken.id,
    attempt: taken.attempt,
    replyTo,
    onLost: () => {},
  });
  reply.taken(virtual);
  sendFailure(
    reply,
    new Error(reason),
    'The worker that ran this request died each time; it is not run again.',
  );
}

interface DeathNews {
  reason: string;
  /** How far the queue has come. */
  virtual: number;
}
