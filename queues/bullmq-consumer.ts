// I1: never more than `concurrency` jobs are in hand, claims that are on their way included.
// I2: a ring of the doorbell is followed by a claim of ours: a job whose ring we took is not left to nobody.
// I3: a job in hand ends in exactly one call of the engine, tried again while the store is away.
import { setTimeout as pause } from 'node:timers/promises';
import type { Job } from 'bullmq';
import type { JobId } from '../core/ids.ts';
import type { Logger } from '../core/logger.ts';
import type { ConsumeOptions, JobConsumer, JobOutcome, TakenJob } from '../jobs/job-queue.ts';
import type { BullmqStore } from './bullmq-store.ts';
import { createClaimPairing } from './claim-pairing.ts';
import { createDoorbellListener } from './doorbell-listener.ts';
import { createHeldJobs } from './held-jobs.ts';
import { endJob } from './job-ending.ts';

interface BullmqConsumerOptions extends ConsumeOptions {
  name: string;
  store: BullmqStore;
  logger: Logger;
}

export interface BullmqConsumer extends JobConsumer {
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
  // On Postgres an end that claims is two statements, and the claim is faster by itself.
  const pairing = doorbell && createClaimPairing();
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

    expect(id, added) {
      listener?.tellOwnAdd();
      if (!hasRoom()) {
        added.then(wake, () => {});
        return;
      }
      reserved++;
      expectedClaims++;
      expected.add(id);
      const claimed = () => lookAfterExpected(id, added);
      const make = () => claim().then(claimed);
      if (!pairing) {
        // By then the add has been written, and the claim leaves behind it in the same packet.
        setImmediate(make);
        return;
      }
      pairing.add({
        make,
        carried() {
          reserved--;
          claimed();
        },
      });
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
      pairing?.close();
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
    const token = `${worker.id}:${tokens++}`;
    try {
      const job = await worker.getNextJob(token, { block: false });
      reserved--;
      if (job) hold(job, token);
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

  async function hold(job: Job, token: string): Promise<void> {
    const id = job.id as JobId;
    expected.delete(id);
    const abort = held.add(job, token);
    const outcome = await runHeld(job, abort);
    const next = await conclude(outcome, job, token);
    held.remove(id);
    if (next) hold(next, token);
    else if (more) look();
    listener?.listen();
    tellIfIdle();
  }

  async function runHeld(job: Job, abort: AbortController): Promise<JobOutcome> {
    if (job.deferredFailure) {
      onDead(toTakenJob(job), job.deferredFailure);
      return { status: 'dead', reason: job.deferredFailure };
    }
    if (!open) return { status: 'put-back', delayMs: 0 };
    return await run(toTakenJob(job), abort);
  }

  /** Tells the store how the job ended. Gives the next one, where that came with the answer. */
  async function conclude(outcome: JobOutcome, job: Job, token: string): Promise<Job | undefined> {
    let carried = await claimToCarry(outcome);
    for (;;) {
      const fetchNext =
        open && (carried || (held.size() + reserved <= concurrency && (more || doorbell !== null)));
      if (fetchNext) more = false;
      try {
        const next = await endJob(worker, { job, token, outcome, fetchNext: Boolean(fetchNext) });
        if (outcome.status === 'put-back') await comeBackFor(outcome.delayMs);
        if (next) {
          more = true;
          expected.delete(next.id as JobId);
        }
        carried?.carried();
        return next;
      } catch (error) {
        if (fetchNext) more = true;
        carried?.make();
        carried = null;
        report(error);
        // BullMQ numbers what it refuses: the job is not ours any more, or an earlier try has been carried out.
        if (abandoned || typeof (error as { code?: unknown }).code === 'number') return undefined;
        await pause(STORE_RETRY_MS);
      }
    }
  }

  function claimToCarry({ status }: JobOutcome) {
    // A full hand makes room at once.
    const isFull = held.size() + reserved >= concurrency;
    return status === 'put-back' || isFull ? null : pairing?.end();
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

function toTakenJob(job: Job): TakenJob {
  return {
    id: job.id as JobId,
    data: job.data,
    tag: job.priority,
    attempt: Math.max(1, job.attemptsStarted),
    addedAtMs: job.timestamp,
  };
}
