import type { BackendFailure } from '../core/backend-failure.ts';
import type { Metrics } from '../core/metrics.ts';
import type { ModelClass } from '../core/schemas/model-class.ts';

/** Counts calls of servers, and those that are made again. */
export interface AttemptMetrics {
  answered(modelClass: ModelClass): void;
  failed(modelClass: ModelClass, failure: BackendFailure): void;
  /** Ended because the job goes to another server, or because nobody wants its answer any more. */
  stopped(modelClass: ModelClass, why: 'moved' | 'left'): void;
  /** A call is made again because the one before failed so. */
  retried(modelClass: ModelClass, failure: BackendFailure): void;
  /** The retry budget does not allow it. */
  refused(modelClass: ModelClass, failure: BackendFailure): void;
}

export function createAttemptMetrics(metrics: Metrics): AttemptMetrics {
  const attempts = metrics.counter({
    name: 'citadel_attempts_total',
    help: 'Calls to model servers by how they ended: answered, moved, left, or what went wrong.',
    labels: ['class', 'result'],
  });
  const retries = metrics.counter({
    name: 'citadel_retries_total',
    help: 'Calls to model servers that were made again, by what went wrong with the one before.',
    labels: ['class', 'reason'],
  });
  const refusals = metrics.counter({
    name: 'citadel_retries_refused_total',
    help: 'Calls that were not made again because the retry budget was used up.',
    labels: ['class', 'reason'],
  });

  return {
    answered: (modelClass) => attempts.add({ class: modelClass, result: 'answered' }),
    failed: (modelClass, failure) => attempts.add({ class: modelClass, result: reasonOf(failure) }),
    stopped: (modelClass, why) => attempts.add({ class: modelClass, result: why }),
    retried: (modelClass, failure) => retries.add({ class: modelClass, reason: reasonOf(failure) }),
    refused: (modelClass, failure) => refusals.add({ class: modelClass, reason: reasonOf(failure) }),
  };
}

/** `timeout`, `status_429`, `status_5xx`: servers answer with any number for a status, and labels must be few. */
function reasonOf({ kind, status }: BackendFailure): string {
  if (status === undefined) return kind;
  if (status === 429) return 'status_429';
  if (status >= 400 && status < 500) return 'status_4xx';
  return status >= 500 && status < 600 ? 'status_5xx' : 'status_other';
}
