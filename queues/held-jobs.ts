import type { Worker } from 'bullmq';
import type { JobId } from '../core/ids.ts';
import { LOCK_MS } from './bullmq-store.ts';

/** The jobs that a consumer has in hand, their locks renewed until they are let go. */
export interface HeldJobs {
  size(): number;
  /** The signal's reason is `cancelled`, or `lock lost` when another worker may have the job. */
  add(id: JobId, token: string): AbortController;
  remove(id: JobId): void;
  /** False where it is not in hand. */
  cancel(id: JobId): boolean;
  close(): void;
}

interface Held {
  token: string;
  abort: AbortController;
  lockedMs: number;
}

const RENEW_EVERY_MS = LOCK_MS / 4;

export function createHeldJobs(worker: Worker, report: (error: unknown) => void): HeldJobs {
  const held = new Map<JobId, Held>();
  const renewing = setInterval(renewLocks, RENEW_EVERY_MS);

  return {
    size: () => held.size,

    add(id, token) {
      const abort = new AbortController();
      held.set(id, { token, abort, lockedMs: Date.now() });
      return abort;
    },

    remove(id) {
      held.delete(id);
    },

    cancel(id) {
      const hand = held.get(id);
      hand?.abort.abort('cancelled');
      return hand !== undefined;
    },

    close() {
      clearInterval(renewing);
    },
  };

  async function renewLocks(): Promise<void> {
    const beforeMs = Date.now() - RENEW_EVERY_MS;
    const due = [...held].filter(([, hand]) => hand.lockedMs <= beforeMs);
    if (due.length === 0) return;
    try {
      const lost = await worker.extendJobLocks(
        due.map(([id]) => id),
        due.map(([, { token }]) => token),
        LOCK_MS,
      );
      for (const [, hand] of due) hand.lockedMs = Date.now();
      // Another worker may have the job by now: two runs of it must not both go on.
      for (const id of lost) held.get(id as JobId)?.abort.abort('lock lost');
    } catch (error) {
      report(error);
    }
  }
}
