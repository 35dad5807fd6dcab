import type { ModelClass } from '../core/schemas/model-class.ts';
import type { JobQueue } from './job-queue.ts';
import type { ReplyBus } from './reply-bus.ts';

/** The queues of all model classes and the bus their answers come back over, on one store. */
export interface QueueSystem {
  readonly kind: 'redis' | 'postgres' | 'pglite';
  readonly bus: ReplyBus;
  queue(modelClass: ModelClass): JobQueue;
  /** Throws AppError `store_unavailable` when the store does not answer in time. */
  ping(): Promise<void>;
  close(): Promise<void>;
}
