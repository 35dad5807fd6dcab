import type { Queue, QueueOptions, Worker } from 'bullmq';

/** Opens BullMQ's objects on one store, Redis or Postgres. */
export interface BullmqStore {
  openQueue(name: string, options: Omit<QueueOptions, 'connection'>): Queue;
  /** A worker for manual calls: without a processor, and without a connection to block on. */
  openWorker(name: string): Worker;
  /** Null where no other process adds jobs. */
  openDoorbell(name: string): Doorbell | null;
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
