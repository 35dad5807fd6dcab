// A run is a trace of its own, whose id follows from the run's: whoever runs its steps, they are parts of it.
import type { RunId } from '../core/ids.ts';
import type { Span, Tracing } from '../core/tracing.ts';
import type { CommittedChange } from './run-lanes.ts';
import type { AttemptEnd } from './step-executor.ts';

interface MadeAttempt {
  runId: RunId;
  key: string;
  attempt: number;
  /** Of the step. */
  type: string;
}

export function startStepSpan(tracing: Tracing, { runId, key, attempt, type }: MadeAttempt): Span {
  if (!tracing.isOn) return tracing.start('', { kind: 'internal', parent: undefined });
  return tracing.start(`step ${type}`, {
    kind: 'internal',
    parent: tracing.rootOf(runId),
    attributes: {
      'citadel.run_id': runId,
      'citadel.step': key,
      'citadel.step_type': type,
      'citadel.attempt': attempt,
    },
  });
}

/** `end` is null for an attempt that nobody wanted any more. */
export function endStepSpan(span: Span, end: AttemptEnd | null): void {
  if (!end) span.end({ error: 'dropped' });
  else span.end({ error: end.status === 'failed' ? end.error.code : undefined });
}

/** The run has ended, and this process has committed it. */
export function recordRun(tracing: Tracing, { run, decision }: CommittedChange): void {
  const { kind, createdAt, parent } = run.row.summary;
  const { status, error } = decision.run;
  tracing.recordRoot(run.id, {
    name: `run ${kind}`,
    startedAt: createdAt,
    attributes: {
      'citadel.run_id': run.id,
      'citadel.run_status': status,
      'citadel.parent_run_id': parent?.runId,
    },
    error: status === 'succeeded' ? undefined : (error?.code ?? status),
  });
}
