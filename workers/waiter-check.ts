import type { InboxId, JobId } from '../core/ids.ts';
import type { ReplyBus } from '../jobs/reply-bus.ts';

/** Asks the process that added a job whether it still waits for the answer. */
export interface WaiterCheck {
  /** False when it does not, is gone, or does not answer in time. Throws when the bus cannot be used. */
  isWaiting(inbox: InboxId, jobId: JobId): Promise<boolean>;
  close(): void;
}

const ANSWER_LIMIT_MS = 2_000;

export function createWaiterCheck(bus: ReplyBus): WaiterCheck {
  const asked = new Map<JobId, (waiting: boolean) => void>();
  const close = bus.subscribe((message) => {
    if (message.kind === 'waiting') asked.get(message.jobId)?.(message.waiting);
  });

  return {
    close,
    async isWaiting(inbox, jobId) {
      const { promise, resolve } = Promise.withResolvers<boolean>();
      const timer = setTimeout(resolve, ANSWER_LIMIT_MS, false);
      asked.set(jobId, resolve);
      try {
        if (!(await bus.send(inbox, { kind: 'ask', jobId, from: bus.inbox }))) return false;
        return await promise;
      } finally {
        clearTimeout(timer);
        asked.delete(jobId);
      }
    },
  };
}
