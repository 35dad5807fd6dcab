import { type Metrics, SHORT_SECONDS_BUCKETS } from '../core/metrics.ts';
import { MODEL_CLASSES, type ModelClass } from '../core/schemas/model-class.ts';
import { Priority } from '../core/schemas/priority.ts';
import type { Admission } from './admission.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { Ledger } from './ledger.ts';
import type { QueueSystem } from './queue-system.ts';

interface QueueMetricsDeps {
  queues: Pick<QueueSystem, 'queue'>;
  admission: Pick<Admission, 'line'>;
  dispatcher: Pick<Dispatcher, 'waiting'>;
  ledger: Pick<Ledger, 'pending'>;
}

const STATES = ['waiting', 'active', 'delayed', 'dead'] as const;

export interface QueueMetrics {
  /** The store has taken a job. */
  added(modelClass: ModelClass, tookMs: number): void;
  /** Shows how much waits, here and in the store: sums that are kept anyway, so that a long queue costs a look
   *  nothing. */
  watch(deps: QueueMetricsDeps): void;
}

export function createQueueMetrics(metrics: Metrics): QueueMetrics {
  const adds = metrics.histogram({
    name: 'citadel_queue_add_duration_seconds',
    help: "Time that the queue's store took to take a job.",
    labels: ['class'],
    buckets: SHORT_SECONDS_BUCKETS,
  });

  return {
    added: (modelClass, tookMs) => adds.observe({ class: modelClass }, tookMs / 1_000),
    watch: (deps) => watch(metrics, deps),
  };
}

function watch(metrics: Metrics, { queues, admission, dispatcher, ledger }: QueueMetricsDeps): void {
  metrics.gauge(
    {
      name: 'citadel_waiting_calls',
      help: 'Calls of this process that wait for a worker or for a free slot on a server.',
      labels: ['class', 'priority'],
    },
    () =>
      MODEL_CLASSES.flatMap((modelClass) => {
        const { sizes } = admission.line(modelClass);
        return Priority.options.map((priority) => ({
          labels: { class: modelClass, priority },
          value: sizes[priority],
        }));
      }),
  );
  metrics.gauge(
    {
      name: 'citadel_queue_jobs',
      help: "Jobs in a class's queue, of all processes; dead is the dead letter.",
      labels: ['class', 'state'],
    },
    async () => {
      const counts = await Promise.all(MODEL_CLASSES.map((modelClass) => queues.queue(modelClass).counts()));
      return MODEL_CLASSES.flatMap((modelClass, index) =>
        STATES.map((state) => ({ labels: { class: modelClass, state }, value: counts[index]?.[state] ?? 0 })),
      );
    },
  );
  metrics.gauge(
    { name: 'citadel_open_calls', help: 'Calls of this process that have not ended.', labels: [] },
    () => [{ labels: {}, value: dispatcher.waiting() }],
  );
  metrics.gauge(
    {
      name: 'citadel_ledger_pending_rows',
      help: 'Lines of the ledger that wait to be written.',
      labels: [],
    },
    () => [{ labels: {}, value: ledger.pending() }],
  );
}
