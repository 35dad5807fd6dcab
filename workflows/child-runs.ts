import { AppError, toAppError } from '../core/errors.ts';
import { newRunId } from '../core/ids.ts';
import type { KnownRun } from './known-runs.ts';
import { newWorkflowRun } from './new-run.ts';
import type { Plans } from './plans.ts';
import type { Decision, EngineEvent, StepChange } from './run-state.ts';
import type { NewRun } from './run-store.ts';

export interface ChildRuns {
  /** Those that can be made, by the key of their step. */
  children: Map<string, NewRun>;
  /** What the steps hear whose run cannot be made. */
  failures: EngineEvent[];
}

/** Runs that have started each other, at most. */
const DEPTH_MAX = 16;

/** The runs that a decision starts. Throws AppError `store_unavailable`. */
export async function prepareChildren(plans: Plans, run: KnownRun, { steps }: Decision): Promise<ChildRuns> {
  const prepared: ChildRuns = { children: new Map(), failures: [] };
  for (const change of steps) {
    const { step, child } = change;
    if (!child) continue;
    try {
      prepared.children.set(step.key, await prepareChild(plans, run, change));
    } catch (error) {
      if (error instanceof AppError && error.code === 'store_unavailable') throw error;
      prepared.failures.push(toFailure(change, error));
    }
  }
  return prepared;
}

async function prepareChild(plans: Plans, run: KnownRun, { step, child }: StepChange): Promise<NewRun> {
  const { row } = run;
  if (row.depth >= DEPTH_MAX) {
    const name = child?.workflow ?? '';
    throw new AppError(
      'invalid_request',
      `Runs may start each other ${DEPTH_MAX} deep at most: \`${row.summary.workflow}\`, which is that deep, cannot start \`${name}\`.`,
    );
  }
  const plan = await plans.byName(child?.workflow ?? '');
  const { keyName, priority, tags, id } = row.summary;
  return newWorkflowRun(plan, child?.input ?? {}, {
    id: newRunId('run'),
    keyName,
    priority,
    weight: row.weight,
    deadlineMs: null,
    webhook: null,
    tags,
    metadata: null,
    parent: { runId: id, key: step.key, attempt: step.attempt },
    depth: row.depth + 1,
    forkedFrom: null,
  });
}

function toFailure({ step: { key, attempt } }: StepChange, thrown: unknown): EngineEvent {
  const { code, message } = toAppError(thrown);
  const error = { code, message, class: 'fatal' } as const;
  return { type: 'child_ended', key, attempt, status: 'failed', output: null, error, random: 0 };
}
