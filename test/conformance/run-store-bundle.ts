import { newRunId, type RunId } from '../../core/ids.ts';
import type { StepState, StepStatus } from '../../workflows/run-state.ts';
import type { NewRun, RunCommit, StepWrite } from '../../workflows/run-store.ts';

/** What is said of a new run where a test does not say otherwise. */
export function newRun(changes: Partial<NewRun> = {}): NewRun {
  return {
    id: newRunId('run'),
    kind: 'workflow',
    workflow: 'greet',
    definitionHash: 'hash',
    keyName: null,
    weight: 1,
    priority: 'normal',
    tags: [],
    metadata: null,
    inputText: '{}',
    parent: null,
    rootId: null,
    depth: 0,
    forkedFrom: null,
    deadlineMs: null,
    webhook: null,
    concurrency: null,
    ...changes,
  };
}

/** A commit of the run at `expected` that changes nothing but what it says. */
export function change(runId: RunId, expected: number | null, parts: Partial<RunCommit> = {}): RunCommit {
  return {
    runId,
    expected,
    create: null,
    idempotency: null,
    run: { status: 'running', output: undefined, error: null, tokens: 0 },
    isBegun: true,
    steps: [],
    fences: [],
    attempts: [],
    events: [],
    signals: { kept: [], consumed: [] },
    heeded: [],
    messages: [],
    children: [],
    webhook: null,
    ...parts,
  };
}

/** The commit that makes a run, with these steps. */
export function creation(run: NewRun, parts: Partial<RunCommit> = {}): RunCommit {
  return change(run.id, null, { create: run, ...parts });
}

export function step(key: string, status: StepStatus, changes: Partial<StepState> = {}): StepState {
  return {
    key,
    path: key,
    status,
    attempt: 0,
    failures: 0,
    lapses: 0,
    waits: null,
    endOrder: null,
    output: undefined,
    error: null,
    ...changes,
  };
}

export function write(state: StepState, parts: Partial<StepWrite> = {}): StepWrite {
  return { step: state, position: 0, wake: null, worker: null, childRunId: null, ...parts };
}

export const told = (type: string) => ({ type, key: null, data: { about: type } });
