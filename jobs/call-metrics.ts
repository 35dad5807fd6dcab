import { type Metrics, SECONDS_BUCKETS, SHORT_SECONDS_BUCKETS } from '../core/metrics.ts';
import { costOf, type Price } from './cost.ts';
import type { RecordedJob } from './ledger.ts';
import type { LedgerEntry } from './ledger-store.ts';
import type { TokenGaps } from './token-gaps.ts';

interface CallMetricsOptions {
  metrics: Metrics;
  /** The name by which metrics know a model, out of a bounded set. */
  modelLabel(name: string): string;
  /** What the model costs; undefined where nobody has said. */
  priceOf(model: string): Price | undefined;
}

/** Measures each call of a model by its line of the ledger: for clients, for runs and for documents alike. */
export function createCallMetrics({
  metrics,
  modelLabel,
  priceOf,
}: CallMetricsOptions): (entry: LedgerEntry, job: RecordedJob) => void {
  const meters = createMeters(metrics);

  return (entry, job) => {
    const { modelClass, endpoint, outcome } = entry;
    const model = modelLabel(entry.model);
    meters.calls.add({ model, class: modelClass, endpoint, outcome, code: entry.errorCode ?? '' });
    meters.duration.observe({ model, class: modelClass }, entry.totalMs / 1_000);
    if (entry.queuedMs !== null) {
      meters.queueWait.observe({ class: modelClass, priority: job.priority }, entry.queuedMs / 1_000);
    }
    countTokens(entry, model);
    if (job.gaps) measurePace(entry, job.gaps, model);
  };

  function countTokens({ promptTokens, completionTokens, model: name }: LedgerEntry, model: string): void {
    if (promptTokens === null && completionTokens === null) return;
    const usage = { inputTokens: promptTokens ?? 0, outputTokens: completionTokens ?? 0 };
    meters.tokens.add({ model, direction: 'input' }, usage.inputTokens);
    meters.tokens.add({ model, direction: 'output' }, usage.outputTokens);
    const price = priceOf(name);
    if (price) meters.cost.add({ model }, costOf(usage, price));
  }

  function measurePace(
    { firstTokenMs }: LedgerEntry,
    { counts, sumSeconds }: TokenGaps,
    model: string,
  ): void {
    if (firstTokenMs === null) return;
    meters.firstToken.observe({ model }, firstTokenMs / 1_000);
    meters.interToken.add({ model }, counts, sumSeconds);
  }
}

function createMeters(metrics: Metrics) {
  return {
    calls: metrics.counter({
      name: 'citadel_model_calls_total',
      help: "Calls of models that have ended, by how; code is that of the error, in the API's words.",
      labels: ['model', 'class', 'endpoint', 'outcome', 'code'],
    }),
    duration: metrics.histogram({
      name: 'citadel_model_call_duration_seconds',
      help: 'Time from a call being asked for to its end, its wait in the queue included.',
      labels: ['model', 'class'],
      buckets: SECONDS_BUCKETS,
    }),
    queueWait: metrics.histogram({
      name: 'citadel_queue_wait_seconds',
      help: 'Time that a call has waited for a worker and for a free slot on a server.',
      labels: ['class', 'priority'],
      buckets: SECONDS_BUCKETS,
    }),
    tokens: metrics.counter({
      name: 'citadel_tokens_total',
      help: 'Tokens as model servers report them; direction is input or output.',
      labels: ['model', 'direction'],
    }),
    cost: metrics.counter({
      name: 'citadel_cost_total',
      help: "What these tokens cost by the configuration's prices, in its currency.",
      labels: ['model'],
    }),
    firstToken: metrics.histogram({
      name: 'citadel_first_token_seconds',
      help: 'Time from a call being asked for to its first token, of answers that are streamed.',
      labels: ['model'],
      buckets: SECONDS_BUCKETS,
    }),
    interToken: metrics.tally({
      name: 'citadel_inter_token_seconds',
      help: 'Time between two tokens of a streamed answer; what comes together shares the time before it.',
      labels: ['model'],
      buckets: SHORT_SECONDS_BUCKETS,
    }),
  };
}
