// What a failure of a step comes to: another attempt, or the end of the step, its container, or the run.
import { cancelBody, cancelChildren } from './decide-cancel.ts';
import { failRun } from './decide-ending.ts';
import { isCounted, lapseDelayMs, retryDelayMs } from './retry-delay.ts';
import type { RunDraft } from './run-draft.ts';
import type { StepError } from './run-state.ts';
import { graphStepOf } from './run-view.ts';
import { toEventError, toFatalError } from './step-error.ts';
import { bodyOf, containerOf, ON_FAILURE_BODY, ROOT_BODY } from './step-key.ts';
import { isBodyEnded } from './step-table.ts';

/** The step's attempt has failed: it is tried again, as its `retry` says, or the step has failed. */
export function failAttempt(draft: RunDraft, key: string, error: StepError): void {
  const step = draft.step(key);
  if (!step) return;
  const failures = step.failures + Number(isCounted(error.class));
  const definition = graphStepOf(draft.graph, key).planned.step;
  settleAttempt(
    draft,
    key,
    { failures, error },
    retryDelayMs({ ...step, failures }, definition, error, draft.random),
  );
}

/** The step's worker is gone. */
export function loseAttempt(draft: RunDraft, key: string): void {
  const step = draft.step(key);
  if (!step) return;
  const lapses = step.lapses + 1;
  const error: StepError = {
    code: 'worker_lost',
    message: 'The process that ran this step ended before the step did.',
    class: 'transient',
  };
  settleAttempt(draft, key, { lapses, error }, lapseDelayMs({ ...step, lapses }));
}

type Outcome = { error: StepError } & ({ failures: number } | { lapses: number });

function settleAttempt(draft: RunDraft, key: string, outcome: Outcome, delayMs: number | null): void {
  const { error } = outcome;
  if (delayMs === null) {
    draft.change(key, { status: 'failed', ...outcome });
    draft.emit('step.failed', key, { error: toEventError(error) });
    draft.push({ do: 'failed', key });
    return;
  }
  draft.emit('step.retrying', key, { in_ms: delayMs, reason: error.code });
  if (delayMs === 0) draft.change(key, { status: 'ready', ...outcome });
  else {
    draft.change(
      key,
      { status: 'waiting', waits: { for: 'retry' }, ...outcome },
      { wake: { afterMs: delayMs } },
    );
  }
}

/** An expression of the step's could not be evaluated, or gave what the step cannot use: no attempt would do better. */
export function failEvaluation(draft: RunDraft, key: string, thrown: unknown): void {
  failAttempt(draft, key, toFatalError(thrown));
}

/** Task `failed`: what the step stood in fails with it, unless it can bear that. */
export function spreadFailure(draft: RunDraft, key: string): void {
  const error = draft.step(key)?.error;
  if (!error) return;
  const body = bodyOf(key);
  const container = containerOf(body);
  if (container !== null) failBody(draft, container, body, error);
  else if (body === ROOT_BODY) failRun(draft, error);
  else {
    if (body === ON_FAILURE_BODY) cancelBody(draft, body);
    draft.push({ do: 'cleanup' });
  }
}

function failBody(draft: RunDraft, container: string, body: string, error: StepError): void {
  if (draft.step(container)?.waits?.for !== 'children') return;
  const definition = graphStepOf(draft.graph, container).planned.step;
  const tolerated = definition.type === 'map' ? (definition.tolerate ?? 0) : 0;
  if (draft.table.container(container).failed > tolerated) {
    cancelChildren(draft, container);
    failAttempt(draft, container, error);
    return;
  }
  cancelBody(draft, body);
  if (isBodyEnded(draft.table.body(body))) draft.push({ do: 'body_ended', body });
}
