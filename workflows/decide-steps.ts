// When a step begins, and what beginning it comes to.
// I1: a step begins when all that it waits for has ended, and never while its run is held, or twice.
// I2: a step whose `when` is false is skipped, and counts as ended with the output null. A step that waits for steps
//     which were all skipped is skipped too; with one among them that was not, it runs. A step that only follows the
//     one before it in a body (it names no other step) runs whatever became of that one.

import { failEvaluation } from './decide-failure.ts';
import { beginInternal, isInternal } from './decide-internal.ts';
import type { RunDraft } from './run-draft.ts';
import type { GraphStep } from './run-graph.ts';
import { bodyOf } from './step-key.ts';
import { createScope } from './step-scope.ts';
import { isBodyEnded, isEnded } from './step-table.ts';

/** Task `consider`: begins the step, or skips it, if its turn has come. */
export function consider(draft: RunDraft, key: string): void {
  const state = draft.step(key);
  const step = state && draft.graph.steps.get(state.path);
  if (state?.status !== 'pending' || !step || draft.isHeld) return;
  const body = bodyOf(key);
  if (!step.after.every((id) => hasEnded(draft, body + id))) return;
  if (step.namedAfter.length > 0 && step.namedAfter.every((id) => isSkipped(draft, body + id))) {
    skip(draft, key);
    return;
  }
  try {
    if (step.planned.compiled.when?.evaluate(createScope(draft, key)) === false) skip(draft, key);
    else begin(draft, key, step);
  } catch (thrown) {
    failEvaluation(draft, key, thrown);
  }
}

function hasEnded(draft: RunDraft, key: string): boolean {
  const status = draft.step(key)?.status;
  return status !== undefined && isEnded(status);
}

const isSkipped = (draft: RunDraft, key: string) => draft.step(key)?.status === 'skipped';

function skip(draft: RunDraft, key: string): void {
  draft.change(key, { status: 'skipped' });
  draft.emit('step.skipped', key, {});
  draft.push({ do: 'ended', key });
}

function begin(draft: RunDraft, key: string, step: GraphStep): void {
  if (isInternal(step) && draft.takeInline()) beginInternal(draft, key, step);
  else draft.change(key, { status: 'ready' });
}

/** Task `ended`: those that waited for the step, and its body if it was the last to end. */
export function goOn(draft: RunDraft, key: string): void {
  const body = bodyOf(key);
  const step = draft.graph.steps.get(draft.step(key)?.path ?? '');
  for (const { id } of step?.dependents ?? []) consider(draft, body + id);
  if (isBodyEnded(draft.table.body(body))) draft.push({ do: 'body_ended', body });
}
