import type { Processor, Queue, QueueOptions, Worker, WorkerOptions } from 'bullmq';

/** Opens BullMQ's objects on one store, Redis or Postgres. */
export interface BullmqStore {
  openQueue(name: string, options: Omit<QueueOptions, 'connection'>): Queue;
  openWorker(name: string, processor: Processor, options: Omit<WorkerOptions, 'connection'>): Worker;
}

/** Before every key of ours in Redis. */
export const BULLMQ_PREFIX = 'citadel';
