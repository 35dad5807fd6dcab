import type { RunDraft } from './run-draft.ts';
import { bodiesOf, listOf } from './run-view.ts';
import { isEnded } from './step-table.ts';

/** Ends whatever has not ended in the body and below. What runs there is fenced from now on. */
export function cancelBody(draft: RunDraft, body: string): void {
  for (const { id } of listOf(draft.graph, body).steps) cancelStep(draft, body + id);
}

export function cancelChildren(draft: RunDraft, container: string): void {
  for (const body of bodiesOf(draft, container)) cancelBody(draft, body);
}

function cancelStep(draft: RunDraft, key: string): void {
  const step = draft.step(key);
  if (!step || isEnded(step.status)) return;
  cancelChildren(draft, key);
  draft.change(key, { status: 'cancelled' }, step.waits?.for === 'child' ? { cancelChild: true } : {});
  // Steps that never began are told of by the event that ends their run or container.
  if (step.status === 'running' || step.status === 'waiting') draft.emit('step.cancelled', key, {});
}
