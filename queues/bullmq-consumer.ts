// I1: never more than `concurrency` jobs are in hand, claims that are on their way included.
// I2: a ring of the doorbell is followed by a claim of ours: a job whose ring we took is not left to nobody.
// I3: a job in hand ends in exactly one call of the engine, tried again while the store is away.
import { setTimeout as pause } from 'node:timers/promises';
import { Job } from 'bullmq';
import type { JobId } from '../core/ids.ts';
import type { Logger } from '../core/logger.ts';
import type { ConsumeOptions, JobConsumer, JobOutcome } from '../jobs/job-queue.ts';
import type { BullmqStore, NewJob } from './bullmq-store.ts';
import { createDoorbellListener } from './doorbell-listener.ts';
import { createHeldJobs } from './held-jobs.ts';
import { endJob } from './job-ending.ts';
import { type Grip, gripOf, shortGrip } from './job-grip.ts';

interface BullmqConsumerOptions extends ConsumeOptions {
  name: string;
  store: BullmqStore;
  logger: Logger;
}

export interface BullmqConsumer extends JobConsumer {
  /** Adds a job of this process as one in hand, by the short way. False where that cannot be: nothing has happened. */
  take(job: NewJob): Promise<boolean>;
  /** Told of an add of this process that has just begun, so that its job is claimed in the same breath. */
  expect(id: JobId, added: Promise<unknown>): void;
  hasRoom(): boolean;
  /** There may be jobs again. */
  wake(): void;
}

/** The longest a job waits whose ring was lost. */
const LOOK_EVERY_MS = 5_000;
const STORE_RETRY_MS = 500;
/** For a store that is away while jobs are to be ended: they are left to other workers, who find their locks expired. */
const CLOSE_LIMIT_MS = 3_000;

/** Takes jobs by BullMQ's manual calls: its own loop asks the store four times more often than needed, and again only
 *  when a job has ended. */
export function createBullmqConsumer(options: BullmqConsumerOptions): BullmqConsumer {
  const { name, store, logger, run, onDead } = options;
  const worker = store.openWorker(name);
  const doorbell = store.openDoorbell(name);
  const shortWay = store.openShortWay(name);
  const held = createHeldJobs(worker, report);
  const expected = new Set<JobId>();
  const idle = new Set<() => void>();
  let { concurrency } = options;
  let open = true;
  /** Claims on their way, and the slot that a ring of the doorbell will need. */
  let reserved = 0;
  let expectedClaims = 0;
  /** Whether the queue may hold a job that no claim of ours is on its way for. */
  let more = true;
  let looking = false;
  let tokens = 0;
  let abandoned = false;
  const wakeTimers = new Set<NodeJS.Timeout>();
  const listener =
    doorbell &&
    createDoorbellListener(doorbell, {
      hasRoom,
      isOpen: () => open,
      isExpecting: () => expectedClaims > 0,
      reserve() {
        reserved++;
      },
      giveBack() {
        reserved--;
        tellIfIdle();
      },
      wake,
      wakeIn,
      report,
    });

  worker.on('error', report);
  worker.on('stalled', wake);
  worker.startStalledCheckTimer().catch(report);
  const polling = setInterval(wake, LOOK_EVERY_MS);
  wake();
  listener?.listen();

  return {
    hasRoom,
    wake,

    async take(job) {
      if (!hasRoom()) return false;
      const token = nextToken();
      reserved++;
      try {
        const isTaken = await shortWay.take(job, token);
        reserved--;
        if (isTaken) hold(shortGrip(job, token));
        return isTaken;
      } catch (error) {
        reserved--;
        throw error;
      } finally {
        tellIfIdle();
      }
    },

    expect(id, added) {
      listener?.tellOwnAdd();
      if (!hasRoom()) {
        added.then(wake, () => {});
        return;
      }
      reserved++;
      expectedClaims++;
      expected.add(id);
      // By then the add has been written, and the claim leaves behind it in the same packet.
      setImmediate(() => claim().then(() => lookAfterExpected(id, added)));
    },

    setConcurrency(count) {
      const raised = count > concurrency;
      concurrency = count;
      if (!raised) return;
      look();
      listener?.listen();
    },

    cancel: held.cancel,

    pause() {
      open = false;
    },

    async close() {
      open = false;
      clearInterval(polling);
      for (const timer of wakeTimers) clearTimeout(timer);
      listener?.close();
      await untilIdle();
      abandoned = true;
      held.close();
      await worker.close(true);
    },
  };

  function hasRoom(): boolean {
    return open && held.size() + reserved < concurrency;
  }

  function wake(): void {
    more = true;
    look();
  }

  function wakeIn(ms: number): void {
    const timer = setTimeout(() => {
      wakeTimers.delete(timer);
      wake();
    }, ms);
    wakeTimers.add(timer);
  }

  /** Claims jobs for as long as there are, and room for them. */
  async function look(): Promise<void> {
    if (looking) return;
    looking = true;
    while (more && hasRoom()) {
      more = false;
      reserved++;
      if (await claim()) more = true;
    }
    looking = false;
  }

  /** After the claim that was made for it. */
  async function lookAfterExpected(id: JobId, added: Promise<unknown>): Promise<void> {
    expectedClaims--;
    try {
      await added;
      // Another job came first, another process was faster, or the claim overtook the add.
      if (expected.has(id)) wake();
    } catch {
      // Whoever added it is told.
    }
    expected.delete(id);
  }

  /** Uses one reserved slot. Whether there was a job. */
  async function claim(): Promise<boolean> {
    const token = nextToken();
    try {
      const job = await worker.getNextJob(token, { block: false });
      reserved--;
      if (job) hold(gripOf(job, token));
      return job !== undefined;
    } catch (error) {
      reserved--;
      report(error);
      if (open) wakeIn(STORE_RETRY_MS);
      return false;
    } finally {
      tellIfIdle();
    }
  }

  function nextToken(): string {
    return `${worker.id}:${tokens++}`;
  }

  async function hold(grip: Grip): Promise<void> {
    const { id } = grip.taken;
    expected.delete(id);
    const abort = held.add(id, grip.token);
    const outcome = await runHeld(grip, abort);
    const next = await conclude(outcome, grip);
    held.remove(id);
    if (next) hold(gripOf(next, grip.token));
    else if (more) look();
    listener?.listen();
    tellIfIdle();
  }

  async function runHeld({ taken, native }: Grip, abort: AbortController): Promise<JobOutcome> {
    if (native?.deferredFailure) {
      onDead(taken, native.deferredFailure);
      return { status: 'dead', reason: native.deferredFailure };
    }
    if (!open) return { status: 'put-back', delayMs: 0 };
    return await run(taken, abort);
  }

  /** Tells the store how the job ended. Gives the next one, where that came with the answer. */
  async function conclude(outcome: JobOutcome, grip: Grip): Promise<Job | undefined> {
    for (;;) {
      try {
        return await end(outcome, grip);
      } catch (error) {
        report(error);
        // BullMQ numbers what it refuses: the job is not ours any more, or an earlier try has been carried out.
        if (abandoned || typeof (error as { code?: unknown }).code === 'number') return undefined;
        await pause(STORE_RETRY_MS);
      }
    }
  }

  async function end(outcome: JobOutcome, { taken, token, native }: Grip): Promise<Job | undefined> {
    if (outcome.status === 'done' && !native) {
      if (await shortWay.finish(taken.id, token)) more = true;
      return undefined;
    }
    const job = native ?? (await Job.fromId<unknown>(worker, taken.id));
    if (!job) return undefined;
    const fetchNext = open && held.size() + reserved <= concurrency && (more || doorbell !== null);
    if (fetchNext) more = false;
    try {
      const next = await endJob(worker, { job, token, outcome, fetchNext });
      if (outcome.status === 'put-back') await comeBackFor(outcome.delayMs);
      if (!next) return undefined;
      more = true;
      expected.delete(next.id as JobId);
      return next;
    } catch (error) {
      if (fetchNext) more = true;
      throw error;
    }
  }

  async function comeBackFor(delayMs: number): Promise<void> {
    if (delayMs > 0) {
      wakeIn(delayMs + 1);
      return;
    }
    more = true;
    // BullMQ does it only for jobs without a priority.
    await doorbell?.press();
  }

  async function untilIdle(): Promise<void> {
    if (held.size() + reserved === 0) return;
    await new Promise<void>((resolve) => {
      idle.add(resolve);
      setTimeout(resolve, CLOSE_LIMIT_MS).unref();
    });
  }

  function tellIfIdle(): void {
    if (held.size() + reserved > 0) return;
    for (const resolve of idle) resolve();
    idle.clear();
  }

  function report(error: unknown): void {
    logger.debug('queue error', { queue: name, error: error as Error });
  }
}
