// What workers, clocks and child runs report of a step.
// I1: a completion counts once, and only for the attempt that runs: anything else is fenced and changes nothing.
import { cancelChildren } from './decide-cancel.ts';
import { isFinal } from './decide-ending.ts';
import { failAttempt, failEvaluation, loseAttempt } from './decide-failure.ts';
import { beginInternal, isInternal } from './decide-internal.ts';
import { isFencingOff } from './fencing.ts';
import { isCounted } from './retry-delay.ts';
import type { RunDraft } from './run-draft.ts';
import type { EngineEvent, StepError, StepState } from './run-state.ts';
import { graphStepOf } from './run-view.ts';

type EventOf<T extends EngineEvent['type']> = Extract<EngineEvent, { type: T }>;

export function claimSteps(draft: RunDraft, { keys, max }: EventOf<'claim'>): void {
  if (draft.isHeld || isFinal(draft.facts.status)) return;
  let left = max;
  for (const key of keys ?? draft.table.ready) {
    const state = draft.step(key);
    const step = state && draft.graph.steps.get(state.path);
    if (state?.status !== 'ready' || !step) continue;
    if (isInternal(step)) {
      if (!draft.takeInline()) return;
      beginReady(draft, key);
    } else {
      if (left <= 0) return;
      left -= 1;
      startAttempt(draft, key);
    }
  }
}

export function completeAttempt(draft: RunDraft, event: EventOf<'attempt_succeeded'>): void {
  if (!isCurrent(draft, event)) return;
  draft.spend(event.tokens);
  draft.succeed(event.key, event.output);
}

export function reportFailure(draft: RunDraft, event: EventOf<'attempt_failed'>): void {
  if (!isCurrent(draft, event)) return;
  draft.spend(event.tokens);
  draft.random = event.random;
  failAttempt(draft, event.key, event.error);
}

export function reportLapse(draft: RunDraft, event: EventOf<'lease_lapsed'>): void {
  if (!isCurrent(draft, event)) return;
  draft.random = event.random;
  loseAttempt(draft, event.key);
}

export function endChild(draft: RunDraft, event: EventOf<'child_ended'>): void {
  const step = draft.step(event.key);
  if (step?.waits?.for !== 'child' || step.attempt !== event.attempt) {
    draft.fence(event);
    return;
  }
  draft.random = event.random;
  if (event.status === 'succeeded') draft.succeed(event.key, event.output);
  else failAttempt(draft, event.key, errorOfChild(event));
}

export function wake(draft: RunDraft, { key }: EventOf<'woken'>): void {
  const step = draft.step(key);
  if (!step?.waits) return;
  if (step.waits.for === 'retry') beginAgain(draft, key);
  else if (step.waits.for === 'time') draft.succeed(key, null);
  else endWait(draft, step);
}

/** Whether the attempt is the one that runs; else its completion is fenced. */
function isCurrent(draft: RunDraft, event: EngineEvent & { key: string; attempt: number }): boolean {
  const step = draft.step(event.key);
  if (step?.status === 'running' && step.attempt === event.attempt) return true;
  if (isFencingOff() && step && event.type === 'attempt_succeeded') return true;
  draft.fence(event);
  return false;
}

function startAttempt(draft: RunDraft, key: string): void {
  const attempt = (draft.step(key)?.attempt ?? 0) + 1;
  draft.change(key, { status: 'running', attempt });
  if (attempt > 1) draft.emit('step.reset', key, { attempt });
  draft.emit('step.started', key, { attempt });
}

function beginReady(draft: RunDraft, key: string): void {
  try {
    beginInternal(draft, key, graphStepOf(draft.graph, key));
  } catch (thrown) {
    failEvaluation(draft, key, thrown);
  }
}

function beginAgain(draft: RunDraft, key: string): void {
  const isOurs = isInternal(graphStepOf(draft.graph, key));
  draft.change(key, { status: 'ready' });
  if (isOurs && !draft.isHeld && draft.takeInline()) beginReady(draft, key);
}

function endWait(draft: RunDraft, { key, waits }: StepState): void {
  const error: StepError = {
    code: 'deadline_exceeded',
    message: 'The step did not end within its timeout.',
    class: 'timeout',
  };
  if (waits?.for === 'children') cancelChildren(draft, key);
  failAttempt(draft, key, error);
  if (waits?.for === 'child') draft.cancelChildOf(key);
}

function errorOfChild({ status, error }: EventOf<'child_ended'>): StepError {
  if (status === 'failed' && error)
    return { ...error, class: isCounted(error.class) ? error.class : 'transient' };
  return { code: 'cancelled', message: 'The child run was cancelled.', class: 'fatal' };
}
