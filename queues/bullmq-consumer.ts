import { DelayedError, type Job, UnrecoverableError, WaitingError } from 'bullmq';
import { assertNever } from '../core/assert-never.ts';
import type { JobId } from '../core/ids.ts';
import type { Logger } from '../core/logger.ts';
import type { ConsumeOptions, JobConsumer, JobOutcome, TakenJob } from '../jobs/job-queue.ts';
import { BULLMQ_PREFIX, type BullmqStore } from './bullmq-store.ts';

interface BullmqConsumerOptions extends ConsumeOptions {
  name: string;
  store: BullmqStore;
  logger: Logger;
}

// BullMQ's defaults notice a killed worker after 54–86 s; with these it is 9–12 s. A shorter lock would run the jobs
// of a process twice whose event loop was blocked for a moment.
const SETTINGS = {
  lockDuration: 8_000,
  stalledInterval: 3_000,
  // Dead after the third kill.
  maxStalledCount: 2,
  drainDelay: 5,
  runRetryDelay: 500,
  prefix: BULLMQ_PREFIX,
} as const;

export function createBullmqConsumer(options: BullmqConsumerOptions): JobConsumer {
  const { name, store, logger, concurrency, run, onDead } = options;

  // BullMQ hands a signal only to a function that declares three parameters.
  const processor = async (job: Job, token: string | undefined, signal: AbortSignal | undefined) => {
    const outcome = await run(toTakenJob(job), signal ?? new AbortController().signal);
    await conclude(outcome, job, token);
  };

  const worker = store.openWorker(name, processor, { ...SETTINGS, concurrency });
  worker.on('error', (error) => logger.debug('worker error', { queue: name, error }));
  worker.on('lockRenewalFailed', (ids) => {
    // Another worker may have the job by now: two runs of it must not both go on.
    for (const id of ids) worker.cancelJob(id, 'lock lost');
  });
  worker.on('failed', (job, error) => {
    if (job?.deferredFailure) onDead(toTakenJob(job), error.message);
  });

  return {
    setConcurrency(count) {
      worker.concurrency = count;
    },
    wake() {
      // The main loop sleeps until a job ends; resuming is the one public way to make it look again.
      worker.pause(true).then(
        () => worker.resume(),
        (error) => logger.debug('worker error', { queue: name, error }),
      );
    },
    cancel: (id) => worker.cancelJob(id, 'cancelled'),
    pause() {
      worker.pause(true).catch((error) => logger.debug('worker error', { queue: name, error }));
    },
    close: () => worker.close(),
  };
}

/** The one engine call of each outcome: returning completes the job, throwing fails it. */
async function conclude(outcome: JobOutcome, job: Job, token: string | undefined): Promise<void> {
  switch (outcome.status) {
    case 'done':
      return;
    case 'dead':
      throw new UnrecoverableError(outcome.reason);
    case 'put-back':
      if (outcome.delayMs === 0) {
        await job.moveToWait(token);
        throw new WaitingError();
      }
      await job.moveToDelayed(Date.now() + outcome.delayMs, token);
      throw new DelayedError();
    default:
      assertNever(outcome);
  }
}

function toTakenJob(job: Job): TakenJob {
  return {
    id: job.id as JobId,
    data: job.data,
    attempt: Math.max(1, job.attemptsStarted),
    addedAtMs: job.timestamp,
  };
}
