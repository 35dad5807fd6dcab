import type { InboxId, JobId } from '../core/ids.ts';
import type { QueueSystem } from './queue-system.ts';
import type { Waiter } from './waiter.ts';

/** Stops jobs for which nobody waits any more. Neither function throws or waits. */
export interface JobStop {
  /** Takes the job out of its queue, or has the worker stop that runs it: all are told while nobody knows which. */
  stop(waiter: Waiter): void;
  /** Has this worker stop the job. */
  tell(worker: InboxId, jobId: JobId): void;
}

export function createJobStop(queues: QueueSystem): JobStop {
  return {
    stop(waiter) {
      waiter.stopped = true;
      if (waiter.worker !== null) tell(waiter.worker, waiter.id);
      else removeOrBroadcast(waiter).catch(() => {});
    },
    tell,
  };

  function tell(worker: InboxId, jobId: JobId): void {
    queues.bus.send(worker, { kind: 'cancel', jobId }).catch(() => {});
  }

  async function removeOrBroadcast({ id, job }: Waiter): Promise<void> {
    const removed = await queues
      .queue(job.modelClass)
      .remove(id)
      .catch(() => false);
    if (!removed) await queues.bus.broadcast({ kind: 'cancel', jobId: id });
  }
}
