import { type Metrics, SECONDS_BUCKETS } from '../core/metrics.ts';
import type { CommittedChange } from './run-lanes.ts';
import type { StepStatus } from './run-state.ts';
import { graphStepOf } from './run-view.ts';
import type { AttemptEnd } from './step-executor.ts';

/** Counts what becomes of runs and steps. */
export interface RunMetrics {
  /** The store has it: of all processes, the one that committed it counts it. */
  committed(change: CommittedChange): void;
  /** `end` is null for an attempt that nobody wanted any more. */
  attemptEnded(stepType: string, end: AttemptEnd | null, tookMs: number): void;
}

const STEP_ENDINGS: ReadonlySet<StepStatus> = new Set(['succeeded', 'failed', 'skipped', 'cancelled']);

export function createRunMetrics(metrics: Metrics): RunMetrics {
  const steps = metrics.counter({
    name: 'citadel_steps_total',
    help: 'Steps of runs that have ended, by type and status.',
    labels: ['type', 'outcome'],
  });
  const attempts = metrics.histogram({
    name: 'citadel_step_attempt_duration_seconds',
    help: 'Time that an attempt of a step took; of one that failed, outcome is the class of its error.',
    labels: ['type', 'outcome'],
    buckets: SECONDS_BUCKETS,
  });
  const runs = metrics.counter({
    name: 'citadel_runs_total',
    help: 'Runs that have ended, by status; kind is workflow or job.',
    labels: ['kind', 'outcome'],
  });
  const durations = metrics.histogram({
    name: 'citadel_run_duration_seconds',
    help: 'Time from a run being accepted to its end.',
    labels: ['kind'],
    buckets: [...SECONDS_BUCKETS, 1_800, 7_200, 86_400],
  });

  return {
    committed({ run, decision, hasEnded }) {
      for (const { step } of decision.steps) {
        if (!STEP_ENDINGS.has(step.status)) continue;
        const { type } = graphStepOf(run.model.graph, step.key).planned.step;
        steps.add({ type, outcome: step.status });
      }
      if (!hasEnded) return;
      const { kind, createdAt } = run.row.summary;
      runs.add({ kind, outcome: decision.run.status });
      // Two clocks may differ.
      durations.observe({ kind }, Math.max(0, Date.now() - createdAt.getTime()) / 1_000);
    },
    attemptEnded(type, end, tookMs) {
      attempts.observe({ type, outcome: outcomeOf(end) }, tookMs / 1_000);
    },
  };
}

function outcomeOf(end: AttemptEnd | null): string {
  if (!end) return 'dropped';
  return end.status === 'succeeded' ? 'succeeded' : end.error.class;
}
