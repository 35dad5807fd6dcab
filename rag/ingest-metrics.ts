import { type Metrics, SECONDS_BUCKETS } from '../core/metrics.ts';
import type { Stage } from './ingest-job.ts';

/** Counts what becomes of documents, and measures the stages that they go through. */
export interface IngestMetrics {
  /** Runs `work`, and measures how long it took for its group of documents. */
  stage<T>(stage: Exclude<Stage, 'chunk'>, work: () => Promise<T>): Promise<T>;
  published(documents: number): void;
  failed(reasonCode: string): void;
  /** They wait, and are claimed again. */
  givenBack(waitingOn: string, documents: number): void;
}

export function createIngestMetrics(metrics: Metrics): IngestMetrics {
  const documents = metrics.counter({
    name: 'citadel_ingest_documents_total',
    help: 'Documents whose ingest has ended: published or failed, with the reason.',
    labels: ['outcome', 'reason'],
  });
  const waits = metrics.counter({
    name: 'citadel_ingest_waits_total',
    help: 'Documents that were put back to be tried again, by what they wait for.',
    labels: ['waiting_on'],
  });
  const stages = metrics.histogram({
    name: 'citadel_ingest_stage_duration_seconds',
    help: 'Time that a group of documents, or a large one, took for a stage; parse is with cutting into chunks.',
    labels: ['stage', 'outcome'],
    buckets: SECONDS_BUCKETS,
  });

  return {
    async stage(stage, work) {
      const sinceMs = performance.now();
      let outcome = 'interrupted';
      try {
        const result = await work();
        outcome = 'done';
        return result;
      } finally {
        stages.observe({ stage, outcome }, (performance.now() - sinceMs) / 1_000);
      }
    },
    published: (count) => documents.add({ outcome: 'published', reason: '' }, count),
    failed: (reason) => documents.add({ outcome: 'failed', reason }),
    givenBack: (waitingOn, count) => waits.add({ waiting_on: waitingOn }, count),
  };
}
