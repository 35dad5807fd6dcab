import type { Queue, QueueOptions, Worker } from 'bullmq';
import type { JobId } from '../core/ids.ts';

/** Opens BullMQ's objects on one store, Redis or Postgres. */
export interface BullmqStore {
  openQueue(name: string, options: Omit<QueueOptions, 'connection'>): Queue;
  /** A worker for manual calls: without a processor, and without a connection to block on. */
  openWorker(name: string): Worker;
  /** Null where no other process adds jobs. */
  openDoorbell(name: string): Doorbell | null;
  openShortWay(name: string): ShortWay;
}

/** A job as it is added. */
export interface NewJob {
  id: JobId;
  data: object;
  tag: number;
  /** Unix ms. */
  addedAtMs: number;
}

/** For a job that is added where it will be run, while no other waits: one step into the store and one out of it,
 *  in the form that BullMQ's own calls find again should its worker die. */
export interface ShortWay {
  /** Adds the job as one that `token` has taken. False, and nothing has happened, where others wait, the queue is paused
   *  or limited, or the id is there. Throws the store's error; the job may have been added all the same. */
  take(job: NewJob, token: string): Promise<boolean>;
  /** Removes a job that is done. Whether others may wait; null where it is not the token's any more. */
  finish(id: JobId, token: string): Promise<boolean | null>;
}

/** What every job is named in BullMQ. */
export const JOB_NAME = 'call';

const JOB_OPTIONS = {
  // A model call's retries are the worker's, on other servers: to BullMQ every job has one attempt.
  attempts: 1,
  // The answer has been delivered by then, and the ledger has the facts: no prompt stays in the store.
  removeOnComplete: true,
  // The dead letter.
  removeOnFail: { age: 24 * 3600, count: 1_000 },
} as const;

/** BullMQ's options of a job. */
export function optionsOf({ id, tag, addedAtMs }: NewJob) {
  return { ...JOB_OPTIONS, jobId: id, priority: tag, timestamp: addedAtMs };
}

/** What tells a consumer of the jobs that other processes add. */
export interface Doorbell {
  /** Resolves when there may be a job, with the time from which on (unix ms; in the past: now). Throws when the store
   *  is lost, or the doorbell closed. */
  ring(): Promise<number>;
  /** Makes it ring for one consumer. */
  press(): Promise<void>;
  close(): void;
}

/** Before every key of ours in Redis. */
export const BULLMQ_PREFIX = 'citadel';

/** A job whose lock is not renewed for so long is another worker's. */
export const LOCK_MS = 8_000;

// BullMQ's defaults notice a killed worker after 54–86 s; with these it is 9–12 s. A shorter lock would run the jobs
// of a process twice whose event loop was blocked for a moment.
export const WORKER_OPTIONS = {
  autorun: false,
  lockDuration: LOCK_MS,
  stalledInterval: 3_000,
  // Dead after the third kill.
  maxStalledCount: 2,
  prefix: BULLMQ_PREFIX,
} as const;
