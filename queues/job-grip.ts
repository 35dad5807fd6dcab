import type { Job } from 'bullmq';
import type { JobId } from '../core/ids.ts';
import type { TakenJob } from '../jobs/job-queue.ts';
import type { NewJob } from './bullmq-store.ts';

/** A job in hand, and BullMQ's own object of it; null for one that came by the short way. */
export interface Grip {
  taken: TakenJob;
  token: string;
  native: Job | null;
}

export function shortGrip(job: NewJob, token: string): Grip {
  return { taken: { ...job, attempt: 1 }, token, native: null };
}

export function gripOf(job: Job, token: string): Grip {
  const taken = {
    id: job.id as JobId,
    data: job.data,
    tag: job.priority,
    attempt: Math.max(1, job.attemptsStarted),
    addedAtMs: job.timestamp,
  };
  return { taken, token, native: job };
}
