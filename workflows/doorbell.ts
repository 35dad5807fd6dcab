import { z } from 'zod';
import { newJobId, type RunId } from '../core/ids.ts';
import type { JobConsumer, JobQueue } from '../jobs/job-queue.ts';

/** Tells some process that has room of a run with steps to begin. A ring that is lost costs a second: the relay's. */
export interface Doorbell {
  /** At most once a second for one run; never throws. */
  ring(id: RunId): void;
  /** Hears rings from now on; each is one process's. */
  start(onRing: (id: RunId) => void): void;
  /** May be called twice. */
  stop(): Promise<void>;
}

const Ring = z.object({ runId: z.string().transform((id) => id as RunId) });

const TAG = 1;
const RING_EVERY_MS = 1_000;
const RUNG_MAX = 10_000;
const RINGS_AT_ONCE = 8;

export function createDoorbell(queue: JobQueue): Doorbell {
  const rungMs = new Map<RunId, number>();
  let consumer: JobConsumer | undefined;

  return {
    ring(runId) {
      const nowMs = performance.now();
      if (nowMs - (rungMs.get(runId) ?? Number.NEGATIVE_INFINITY) < RING_EVERY_MS) return;
      if (rungMs.size >= RUNG_MAX) rungMs.clear();
      rungMs.set(runId, nowMs);
      // An id of its own: one that a dead process still holds would swallow this ring.
      queue.add(newJobId(), { runId }, TAG).catch(() => {});
    },
    start(onRing) {
      consumer ??= queue.consume({
        concurrency: RINGS_AT_ONCE,
        async run({ data }) {
          const { data: ring } = Ring.safeParse(data);
          if (ring) onRing(ring.runId);
          return { status: 'done' };
        },
        onDead: () => {},
      });
    },
    async stop() {
      const stopped = consumer;
      consumer = undefined;
      stopped?.pause();
      await stopped?.close();
    },
  };
}
