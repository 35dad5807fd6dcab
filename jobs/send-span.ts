import type { JobId } from '../core/ids.ts';
import type { Tracing } from '../core/tracing.ts';
import type { ModelJob } from './model-job.ts';

/** A job on its way into its queue, as it is to be added. */
export interface SendSpan {
  job: ModelJob;
  /** It is there, or not, for this reason. */
  end(error?: string): void;
}

export function startSend(tracing: Tracing, id: JobId, job: ModelJob): SendSpan {
  if (!tracing.isOn) return { job, end() {} };
  const span = tracing.start(`send ${job.modelClass}`, {
    kind: 'producer',
    parent: job.trace,
    attributes: {
      'messaging.system': 'bullmq',
      'messaging.operation.type': 'send',
      'messaging.operation.name': 'send',
      'messaging.destination.name': job.modelClass,
      'messaging.message.id': id,
      'citadel.priority': job.priority,
    },
  });
  return { job: { ...job, trace: span.context }, end: (error) => span.end({ error }) };
}
