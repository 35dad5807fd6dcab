// How a run, or a container of it, that failed goes on from where it failed: what succeeded stays, what failed and
// what was cancelled because of it runs again. A run that was compensated also does again what its compensations
// have undone, and whatever built on that.
import type { RunDraft } from './run-draft.ts';
import { bodiesOf, graphStepOf, listOf } from './run-view.ts';
import {
  bodyOf,
  compensatedBy,
  containerOf,
  isCompensation,
  ON_FAILURE_BODY,
  ROOT_BODY,
} from './step-key.ts';

/** Everything of the run that did not succeed is pending again. */
export function reviveRun(draft: RunDraft): void {
  undoCompensations(draft);
  if (draft.table.body(ON_FAILURE_BODY).total > 0) resetBody(draft, ON_FAILURE_BODY);
  reviveBody(draft, ROOT_BODY);
}

/** The same for what a container holds. */
export function reviveChildren(draft: RunDraft, container: string): void {
  for (const body of bodiesOf(draft, container)) reviveBody(draft, body);
}

function reviveBody(draft: RunDraft, body: string): void {
  for (const { id } of listOf(draft.graph, body).steps) reviveStep(draft, body + id);
}

function reviveStep(draft: RunDraft, key: string): void {
  const step = draft.step(key);
  if (step?.status !== 'failed' && step?.status !== 'cancelled') return;
  if (draft.table.container(key).bodies === 0) reset(draft, key);
  else {
    reopen(draft, key, step.attempt + 1);
    reviveChildren(draft, key);
  }
}

function undoCompensations(draft: RunDraft): void {
  for (const key of [...draft.table.keys()].filter(isCompensation)) {
    const hasUndone = draft.step(key)?.status === 'succeeded';
    resetDeep(draft, key);
    if (hasUndone) redo(draft, compensatedBy(key));
  }
}

/** The step runs again, and so does what waited for it, here and where its container stands. */
function redo(draft: RunDraft, key: string): void {
  const body = bodyOf(key);
  const open = [key];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (draft.step(next)?.status === 'pending') continue;
    resetDeep(draft, next);
    open.push(...graphStepOf(draft.graph, next).dependents.map(({ id }) => body + id));
  }
  const container = containerOf(body);
  if (container === null || draft.step(container)?.status !== 'succeeded') return;
  reopen(draft, container, (draft.step(container)?.attempt ?? 0) + 1);
  redoDependents(draft, container);
}

function redoDependents(draft: RunDraft, container: string): void {
  const body = bodyOf(container);
  const { dependents } = graphStepOf(draft.graph, container);
  for (const { id } of dependents) redo(draft, body + id);
  const around = containerOf(body);
  if (around === null || draft.step(around)?.status !== 'succeeded') return;
  reopen(draft, around, (draft.step(around)?.attempt ?? 0) + 1);
  redoDependents(draft, around);
}

function resetBody(draft: RunDraft, body: string): void {
  for (const { id } of listOf(draft.graph, body).steps) resetDeep(draft, body + id);
}

function resetDeep(draft: RunDraft, key: string): void {
  const step = draft.step(key);
  if (!step || step.status === 'pending') return;
  for (const body of bodiesOf(draft, key)) resetBody(draft, body);
  reset(draft, key);
}

/** Its attempts go on being counted, since they are its fence, and so does its `endOrder`, of which the largest is the
 *  run's count; what counts against its limits does not. */
function reset(draft: RunDraft, key: string): void {
  draft.change(key, {
    status: 'pending',
    failures: 0,
    lapses: 0,
    output: undefined,
    error: null,
  });
}

function reopen(draft: RunDraft, key: string, attempt: number): void {
  draft.change(
    key,
    { status: 'waiting', waits: { for: 'children' }, attempt, failures: 0, output: undefined, error: null },
    { wake: graphStepOf(draft.graph, key).timeLimit },
  );
  draft.emit('step.started', key, { attempt });
}
