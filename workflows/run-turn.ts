// One turn of a run's lane: what is decided together, and what it leaves.
import { failPoint } from '../core/fail-point.ts';
import type { KnownRun } from './known-runs.ts';
import type { CommitParts, Report } from './run-commit.ts';
import type { Decision, EngineEvent, StepState } from './run-state.ts';
import type { CommitOutcome, DueWork, NewRun, RunCommit } from './run-store.ts';

export interface Turn {
  run: KnownRun;
  /** What the store says is due; null when it was not asked. */
  due: DueWork | null;
  create?: CommitParts['create'];
  events: EngineEvent[];
  reports: Report[];
  /** About how much it writes. */
  sizeChars: number;
  /** Nobody waits for it any more: it need not be written. */
  signal?: AbortSignal;
}

export interface TurnInput {
  event: EngineEvent;
  report?: Report;
  sizeChars?: number;
}

export interface Effect {
  decision: Decision;
  commit: RunCommit;
  claimed: StepState[];
  outcome: Extract<CommitOutcome, { passed: true }>;
}

export interface StoppedAttempt {
  key: string;
  attempt: number;
  worker: string;
}

export function toTurn({ run, due }: Pick<Turn, 'run' | 'due'>, inputs: readonly TurnInput[]): Turn {
  return {
    run,
    due,
    events: [...dueEvents(due), ...inputs.map(({ event }) => event)],
    reports: inputs.flatMap(({ report }) => (report ? [report] : [])),
    sizeChars: inputs.reduce((sum, { sizeChars = 0 }) => sum + sizeChars, 0),
  };
}

function dueEvents(due: DueWork | null): EngineEvent[] {
  if (!due) return [];
  if (due.wakes.length > 0) failPoint('timer.fire');
  const random = Math.random();
  return [
    ...due.inbox.map(({ event }) => event),
    ...due.lapsed.map(({ key, attempt }) => ({ type: 'lease_lapsed', key, attempt, random }) as const),
    ...due.wakes.map((key) => ({ type: 'woken', key }) as const),
    ...(due.deadline ? [{ type: 'deadline' } as const] : []),
  ];
}

/** Attempts that do not run any more by this decision. */
export function stoppedBy({ model, workers }: KnownRun, { steps }: Decision): StoppedAttempt[] {
  return steps.flatMap(({ step }) => {
    const before = model.step(step.key);
    const worker = workers.get(step.key);
    if (before?.status !== 'running' || worker === undefined) return [];
    if (step.status === 'running' && step.attempt === before.attempt) return [];
    return [{ key: step.key, attempt: before.attempt, worker }];
  });
}

/** Makes what is known of the run what the commit has made of it. */
export function advance(run: KnownRun, { decision, commit, outcome }: Omit<Effect, 'claimed'>): void {
  const { status, error, tokens, output } = decision.run;
  for (const { step, position, worker, childRunId } of commit.steps) {
    run.stepCount = Math.max(run.stepCount, position + 1);
    if (worker === null) run.workers.delete(step.key);
    else run.workers.set(step.key, worker);
    if (childRunId !== null) run.children.set(step.key, childRunId);
  }
  run.model.apply(decision);
  run.revision = outcome.revision;
  run.lastSeq = outcome.lastSeq;
  run.isBegun = commit.isBegun;
  run.row = {
    ...run.row,
    output,
    summary: {
      ...run.row.summary,
      status,
      error,
      tokens,
      lastSeq: outcome.lastSeq,
      ...(commit.create ? timesOf(commit.create, commit.isBegun, outcome.at) : {}),
    },
  };
}

function timesOf({ deadlineMs }: NewRun, isBegun: boolean, createdAt: Date) {
  return {
    createdAt,
    startedAt: isBegun ? createdAt : null,
    deadlineAt: deadlineMs === null ? null : new Date(createdAt.getTime() + deadlineMs),
  };
}
