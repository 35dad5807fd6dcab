// How a run ends. One that failed or was cancelled first cleans up: nothing of it goes on, then what its steps did is
// compensated, the latest first and one at a time, then, if it failed, the steps of `on_failure` run, and then it has
// ended. A failure while it cleans up ends that compensation or those steps, and changes nothing else.
import type { Json } from '../core/json-value.ts';
import { cancelBody } from './decide-cancel.ts';
import type { RunDraft } from './run-draft.ts';
import type { RunStatus, StepError } from './run-state.ts';
import { listOf } from './run-view.ts';
import { toEventError, toFatalError } from './step-error.ts';
import { compensationOf, ON_FAILURE_BODY, ROOT_BODY, withoutIndexes } from './step-key.ts';
import { scopeIn } from './step-scope.ts';
import { isBodyEnded } from './step-table.ts';

export const isFinal = (status: RunStatus) =>
  status === 'succeeded' || status === 'failed' || status === 'cancelled';

/** Nothing of the run goes on; it cleans up and fails with this error, or, if that is of class `cancelled`, is cancelled. */
export function failRun(draft: RunDraft, error: StepError): void {
  if (draft.facts.error !== null || isFinal(draft.facts.status)) return;
  draft.setRun({ error });
  cancelBody(draft, ROOT_BODY);
  draft.push({ do: 'cleanup' });
}

/** Task `cleanup`: the next thing to do for a run that has an error, when the one before has ended. */
export function cleanUp(draft: RunDraft): void {
  const { facts, table } = draft;
  if (facts.error === null || isFinal(facts.status) || draft.isHeld || table.run.compensating > 0) return;
  const owed = latest(draft);
  if (owed !== null) {
    const key = compensationOf(owed);
    draft.add(key, withoutIndexes(key));
    draft.push({ do: 'consider', key });
    return;
  }
  if (facts.error.class !== 'cancelled' && hasToTell(draft)) return;
  finishFailed(draft, facts.error);
}

/** Ends the cleaning up as well. */
export function abandonCleanup(draft: RunDraft): void {
  const { error } = draft.facts;
  if (error === null) return;
  const at = [...draft.table.compensable].map((key) => `${compensationOf(key)}/`);
  for (const body of at) cancelBody(draft, body);
  if (draft.graph.lists.has(ON_FAILURE_BODY)) cancelBody(draft, ON_FAILURE_BODY);
  finishFailed(draft, error);
}

/** The top list has ended without a failure. */
export function finishRun(draft: RunDraft): void {
  if (draft.facts.error !== null || isFinal(draft.facts.status)) return;
  try {
    const output = evaluateOutput(draft);
    draft.setRun({ status: 'succeeded', output });
    draft.emit('run.succeeded', null, {});
  } catch (thrown) {
    failRun(draft, toFatalError(thrown));
  }
}

function evaluateOutput(draft: RunDraft): Json {
  const { output } = draft.plan;
  if (!output) return draft.outputOf(ROOT_BODY);
  const reads = new Set(output.references.map(({ step }) => step));
  return output.evaluate(scopeIn(draft, ROOT_BODY, reads));
}

/** The step to compensate next. */
function latest({ table }: RunDraft): string | null {
  let found: string | null = null;
  let foundOrder = 0;
  for (const key of table.compensable) {
    const endOrder = table.get(key)?.endOrder ?? 0;
    if (endOrder > foundOrder) [found, foundOrder] = [key, endOrder];
  }
  return found;
}

/** Whether steps of `on_failure` are still to run; begins them when they have not begun. */
function hasToTell(draft: RunDraft): boolean {
  if (!draft.graph.lists.has(ON_FAILURE_BODY)) return false;
  const tally = draft.table.body(ON_FAILURE_BODY);
  if (isBodyEnded(tally)) return false;
  if (tally.pending < tally.total) return true;
  const { steps } = listOf(draft.graph, ON_FAILURE_BODY);
  for (const { id, planned } of steps) draft.add(ON_FAILURE_BODY + id, planned.path);
  for (const { id } of steps) draft.push({ do: 'consider', key: ON_FAILURE_BODY + id });
  return true;
}

function finishFailed(draft: RunDraft, error: StepError): void {
  if (error.class === 'cancelled') {
    draft.setRun({ status: 'cancelled' });
    draft.emit('run.cancelled', null, {});
    return;
  }
  draft.setRun({ status: 'failed' });
  draft.emit('run.failed', null, { error: toEventError(error) });
}
