import { Job, UnrecoverableError, type Worker } from 'bullmq';
import { assertNever } from '../core/assert-never.ts';
import type { JobOutcome } from '../jobs/job-queue.ts';

interface JobEnding {
  job: Job;
  token: string;
  outcome: JobOutcome;
  /** Take the next job in the same script, where a job that is done or dead makes room for one. */
  fetchNext: boolean;
}

/** The one call of BullMQ's that each outcome has. Gives the next job, where it was asked for and there was one. Throws
 *  BullMQ's error, its `code` a number where the job is not the token's any more; and the store's. */
export async function endJob(
  worker: Worker,
  { job, token, outcome, fetchNext }: JobEnding,
): Promise<Job | undefined> {
  switch (outcome.status) {
    case 'done':
      return toJob(worker, await job.moveToCompleted(null, token, fetchNext));
    case 'dead':
      return toJob(worker, await job.moveToFailed(new UnrecoverableError(outcome.reason), token, fetchNext));
    case 'put-back':
      if (outcome.delayMs > 0) await job.moveToDelayed(Date.now() + outcome.delayMs, token);
      else await job.moveToWait(token);
      return undefined;
    default:
      return assertNever(outcome);
  }
}

function toJob(worker: Worker, next: unknown): Job | undefined {
  if (!Array.isArray(next) || !next[0]) return undefined;
  return Job.fromJSON(worker, next[0], next[1]);
}
