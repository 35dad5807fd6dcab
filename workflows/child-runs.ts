// Runs that steps start.
// I1: a run, and all that come of it, start so many runs at most. It is looked at where children start children: what one
//     run starts by itself is bounded by its steps. Processes that look at the same moment may go a little beyond.
import { AppError, toAppError } from '../core/errors.ts';
import { newRunId } from '../core/ids.ts';
import type { KnownRun } from './known-runs.ts';
import { newWorkflowRun } from './new-run.ts';
import type { Plans } from './plans.ts';
import type { Decision, EngineEvent, StepChange } from './run-state.ts';
import type { NewRun, RunStore } from './run-store.ts';

export interface ChildRuns {
  /** The runs that a decision starts. Throws AppError `store_unavailable`. */
  prepare(run: KnownRun, decision: Decision): Promise<PreparedRuns>;
}

interface PreparedRuns {
  /** Those that can be made, by the key of their step. */
  children: Map<string, NewRun>;
  /** What the steps hear whose run cannot be made. */
  failures: EngineEvent[];
}

interface ChildRunsOptions {
  plans: Plans;
  store: Pick<RunStore, 'familySize'>;
  /** Runs that may come of one. */
  familyMax?: number;
}

/** Runs that have started each other, at most. */
const DEPTH_MAX = 16;
const FAMILY_MAX = 20_000;

export function createChildRuns({ plans, store, familyMax = FAMILY_MAX }: ChildRunsOptions): ChildRuns {
  return {
    async prepare(run, { steps }) {
      const prepared: PreparedRuns = { children: new Map(), failures: [] };
      const wanted = steps.filter(({ child }) => child);
      let left = wanted.length === 0 ? 0 : await leftFor(run);
      for (const change of wanted) {
        try {
          requireDepth(run, change);
          if (left <= 0) throw tooMany(familyMax);
          prepared.children.set(change.step.key, await prepareChild(plans, run, change));
          left -= 1;
        } catch (error) {
          if (error instanceof AppError && error.code === 'store_unavailable') throw error;
          prepared.failures.push(toFailure(change, error));
        }
      }
      return prepared;
    },
  };

  // I1
  async function leftFor({ row }: KnownRun): Promise<number> {
    return row.rootId === null ? Number.POSITIVE_INFINITY : familyMax - (await store.familySize(row.rootId));
  }
}

function requireDepth({ row }: KnownRun, { child }: StepChange): void {
  if (row.depth < DEPTH_MAX) return;
  throw new AppError(
    'invalid_request',
    `Runs may start each other ${DEPTH_MAX} deep at most: \`${row.summary.workflow}\`, which is that deep, cannot start \`${child?.workflow}\`.`,
  );
}

function tooMany(familyMax: number): AppError {
  const message = `A run, and those that it starts, may start ${familyMax} runs at most.`;
  return new AppError('invalid_request', message);
}

async function prepareChild(plans: Plans, { row }: KnownRun, { step, child }: StepChange): Promise<NewRun> {
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
    rootId: row.rootId ?? id,
    depth: row.depth + 1,
    forkedFrom: null,
  });
}

function toFailure({ step: { key, attempt } }: StepChange, thrown: unknown): EngineEvent {
  const { code, message } = toAppError(thrown);
  const error = { code, message, class: 'fatal' } as const;
  return { type: 'child_ended', key, attempt, status: 'failed', output: null, error, random: 0 };
}
