import type { Tracing } from '../core/tracing.ts';
import type { JobOutcome, TakenJob } from '../jobs/job-queue.ts';
import type { ModelJob } from '../jobs/model-job.ts';

interface JobSpan {
  /** The job, whose calls are parts of the span. */
  job: ModelJob;
  /** Gives `outcome` back. */
  ended(outcome: JobOutcome): JobOutcome;
}

/** What a worker does with a job, from taking it to its end. */
export function startJobSpan(tracing: Tracing, taken: TakenJob, job: ModelJob): JobSpan {
  if (!tracing.isOn) return { job, ended: (outcome) => outcome };
  const span = tracing.start(`process ${job.modelClass}`, {
    kind: 'consumer',
    parent: job.trace,
    attributes: {
      'messaging.system': 'bullmq',
      'messaging.operation.type': 'process',
      'messaging.operation.name': 'process',
      'messaging.destination.name': job.modelClass,
      'messaging.message.id': taken.id,
      'citadel.queue_ms': Math.max(0, Date.now() - taken.addedAtMs),
      'citadel.delivery': taken.attempt,
    },
  });
  return {
    job: { ...job, trace: span.context },
    ended(outcome) {
      const error = outcome.status === 'done' ? undefined : outcome.status;
      span.end({ attributes: { 'citadel.outcome': outcome.status }, error });
      return outcome;
    },
  };
}
