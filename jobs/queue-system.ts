import type { Leases } from '../core/leases.ts';
import type { ModelClass } from '../core/schemas/model-class.ts';
import type { JobQueue } from './job-queue.ts';
import type { ReplyBus } from './reply-bus.ts';

/** The queues of all model classes, the doorbell of runs, the bus their answers come back over and the leases, on one store. */
export interface QueueSystem {
  readonly kind: 'redis' | 'postgres' | 'pglite';
  readonly bus: ReplyBus;
  /** Of all processes on this store. */
  readonly leases: Leases;
  queue(modelClass: ModelClass): JobQueue;
  /** Says which run has something to do, for a process that has room for it. Its jobs carry no work: what is to be done
   *  is in the store. */
  readonly runs: JobQueue;
  /** Throws AppError `store_unavailable` when the store does not answer in time. */
  ping(): Promise<void>;
  close(): Promise<void>;
}
