// Runs as this process knows them, each at one revision, so that most decisions read nothing from the store.
import type { RunId } from '../core/ids.ts';
import type { Plan } from './plan.ts';
import type { Plans } from './plans.ts';
import { createRunModel, type RunModel } from './run-model.ts';
import type { RunSummary } from './run-record.ts';
import type { RunFacts, StepState } from './run-state.ts';
import type { DueWork, NewRun, RunRow, RunSnapshot, RunStore, StepRow } from './run-store.ts';

/** A run as this process knows it. */
export interface KnownRun {
  readonly id: RunId;
  row: RunRow;
  readonly model: RunModel;
  revision: number;
  lastSeq: number;
  /** Steps that it has; the next one's position. */
  stepCount: number;
  /** Whether `start` has been decided. */
  isBegun: boolean;
  /** Who runs each step that runs. */
  readonly workers: Map<string, string>;
  /** The runs that its steps have started last. */
  readonly children: Map<string, RunId>;
  /** About how much memory it takes, in characters. */
  sizeChars: number;
}

export interface KnownRuns {
  /** From memory where it is known. Null when there is no such run. */
  get(id: RunId): Promise<KnownRun | null>;
  /** As the store has it now, with what is due of it. */
  read(id: RunId): Promise<{ run: KnownRun; due: DueWork } | null>;
  /** A run that was just made, or has just changed. */
  keep(run: KnownRun): void;
  /** What is known may be wrong: it is read anew next time. */
  forget(id: RunId): void;
}

interface KnownRunsOptions {
  store: Pick<RunStore, 'read'>;
  plans: Plans;
  sizeCharsMax?: number;
}

const SIZE_CHARS_MAX = 64_000_000;
const STEP_CHARS = 600;

export function createKnownRuns({
  store,
  plans,
  sizeCharsMax = SIZE_CHARS_MAX,
}: KnownRunsOptions): KnownRuns {
  /** The one that was used last comes last. */
  const known = new Map<RunId, KnownRun>();
  let sizeChars = 0;

  return {
    async get(id) {
      const run = known.get(id);
      if (!run) return (await read(id))?.run ?? null;
      keep(run);
      return run;
    },
    read,
    keep,
    forget,
  };

  async function read(id: RunId): Promise<{ run: KnownRun; due: DueWork } | null> {
    const before = known.get(id);
    const snapshot = await store.read(id, before?.revision ?? 0);
    if (!snapshot) return null;
    const run = before ?? (await toKnownRun(snapshot, plans));
    if (before) refresh(before, snapshot);
    keep(run);
    return { run, due: snapshot.due };
  }

  function keep(run: KnownRun): void {
    forget(run.id);
    run.sizeChars = Math.max(run.sizeChars, run.stepCount * STEP_CHARS);
    known.set(run.id, run);
    sizeChars += run.sizeChars;
    for (const [id] of known) {
      if (sizeChars <= sizeCharsMax || id === run.id) break;
      forget(id);
    }
  }

  function forget(id: RunId): void {
    const run = known.get(id);
    if (!run) return;
    known.delete(id);
    sizeChars -= run.sizeChars;
  }
}

/** A run that is not in the store yet. */
export function knownFromNew(plan: Plan, run: NewRun, steps: readonly StepState[]): KnownRun {
  const { id, kind, workflow, definitionHash, keyName, priority, metadata, parent, forkedFrom } = run;
  const summary: RunSummary = {
    id,
    kind,
    workflow,
    definitionHash,
    status: 'queued',
    keyName,
    priority,
    tags: [...run.tags],
    metadata,
    lastSeq: 0,
    tokens: 0,
    error: null,
    parent,
    forkedFrom,
    // The store's, once it has the run.
    createdAt: new Date(),
    startedAt: null,
    endedAt: null,
    deadlineAt: null,
  };
  const { rootId, depth, weight, inputText, webhook } = run;
  return {
    id,
    row: { summary, rootId, depth, weight, inputText, output: undefined, revision: 0, webhook },
    model: createRunModel(plan, { id, input: JSON.parse(inputText) }, steps),
    revision: 0,
    lastSeq: 0,
    stepCount: steps.length,
    isBegun: false,
    workers: new Map(),
    children: new Map(),
    sizeChars: inputText.length,
  };
}

async function toKnownRun({ row, steps, signals }: RunSnapshot, plans: Plans): Promise<KnownRun> {
  const plan = await plans.byHash(row.summary.definitionHash);
  const { id } = row.summary;
  const start = { id, input: JSON.parse(row.inputText), ...factsOf(row), signals };
  const run: KnownRun = {
    id,
    row,
    model: createRunModel(
      plan,
      start,
      steps.map(({ step }) => step),
    ),
    revision: row.revision,
    lastSeq: row.summary.lastSeq,
    stepCount: 0,
    isBegun: row.summary.startedAt !== null,
    workers: new Map(),
    children: new Map(),
    sizeChars: row.inputText.length,
  };
  takeOver(run, steps);
  return run;
}

function refresh(run: KnownRun, { row, steps, signals }: RunSnapshot): void {
  run.model.refresh(
    steps.map(({ step }) => step),
    factsOf(row),
    signals,
  );
  run.row = row;
  run.revision = row.revision;
  run.lastSeq = row.summary.lastSeq;
  run.isBegun = row.summary.startedAt !== null;
  takeOver(run, steps);
}

function takeOver(run: KnownRun, rows: readonly StepRow[]): void {
  for (const { step, position, worker, childRunId } of rows) {
    run.stepCount = Math.max(run.stepCount, position + 1);
    if (worker !== null && step.status === 'running') run.workers.set(step.key, worker);
    else run.workers.delete(step.key);
    if (childRunId !== null) run.children.set(step.key, childRunId);
  }
}

function factsOf({ summary: { status, error, tokens }, output }: RunRow): RunFacts {
  return { status, output, error, tokens };
}
