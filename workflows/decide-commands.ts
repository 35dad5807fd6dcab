// What callers and the clock ask of a run.
import { abandonCleanup, failRun, isFinal } from './decide-ending.ts';
import { reviveRun } from './decide-revive.ts';
import type { RunDraft } from './run-draft.ts';
import type { StepError } from './run-state.ts';
import { listOf } from './run-view.ts';
import { compensationOf, ON_FAILURE_BODY, ROOT_BODY } from './step-key.ts';
import { isBodyEnded } from './step-table.ts';

/** Steps that the run has already, as one that is forked has, stay. */
export function startRun(draft: RunDraft): void {
  if (isFinal(draft.facts.status) || draft.facts.error !== null) return;
  for (const { id, planned } of listOf(draft.graph, ROOT_BODY).steps) draft.add(id, planned.path);
  goThrough(draft, ROOT_BODY);
}

/** A run that cleans up after a failure stops doing that; one that is being cancelled already goes on. */
export function cancelRun(draft: RunDraft): void {
  const { status, error } = draft.facts;
  if (isFinal(status) || error?.class === 'cancelled') return;
  release(draft);
  if (error === null) failRun(draft, CANCELLED);
  else abandonCleanup(draft);
}

export function passDeadline(draft: RunDraft): void {
  if (isFinal(draft.facts.status) || draft.facts.error !== null) return;
  release(draft);
  failRun(draft, DEADLINE);
}

export function pauseRun(draft: RunDraft, reason: 'requested' | 'budget'): void {
  const { status } = draft.facts;
  if (isFinal(status) || status === 'paused') return;
  draft.setRun({ status: 'paused' });
  draft.isHeld = true;
  draft.emit('run.paused', null, { reason });
}

export function resumeRun(draft: RunDraft): void {
  if (draft.facts.status !== 'paused') return;
  release(draft);
  draft.emit('run.resumed', null, {});
  if (draft.facts.error === null) goThrough(draft, ROOT_BODY);
  else resumeCleanup(draft);
}

/** Of a run that failed or was cancelled. */
export function retryRun(draft: RunDraft): void {
  const { status } = draft.facts;
  if (status !== 'failed' && status !== 'cancelled') return;
  draft.setRun({ status: 'running', error: null, output: undefined });
  draft.emit('run.retried', null, {});
  reviveRun(draft);
  startRun(draft);
}

const CANCELLED: StepError = { code: 'cancelled', message: 'The run was cancelled.', class: 'cancelled' };

const DEADLINE: StepError = {
  code: 'deadline_exceeded',
  message: 'The run did not end before its deadline.',
  class: 'timeout',
};

function release(draft: RunDraft): void {
  if (draft.facts.status === 'paused') draft.setRun({ status: 'running' });
  draft.isHeld = false;
}

function resumeCleanup(draft: RunDraft): void {
  for (const key of draft.table.compensable) {
    if (draft.step(compensationOf(key))) goThrough(draft, `${compensationOf(key)}/`);
  }
  if (draft.table.body(ON_FAILURE_BODY).total > 0) goThrough(draft, ON_FAILURE_BODY);
  draft.push({ do: 'cleanup' });
}

function goThrough(draft: RunDraft, body: string): void {
  if (isBodyEnded(draft.table.body(body))) draft.push({ do: 'body_ended', body });
  else draft.push({ do: 'revisit', body });
}
