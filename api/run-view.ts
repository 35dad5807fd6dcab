import { ERRORS, type ErrorBody } from '../core/errors.ts';
import type { Json } from '../core/json-value.ts';
import type { RunRecord, RunSummary, StepRecord } from '../workflows/run-record.ts';
import type { StepError } from '../workflows/run-state.ts';
import type { RunResult } from '../workflows/runs.ts';

/** What a run's error looks like to callers: the inner object of every error's shape. */
export function toErrorView(error: StepError | null): ErrorBody['error'] | null {
  if (!error) return null;
  const { code, message } = error;
  const type = code in ERRORS ? ERRORS[code as keyof typeof ERRORS].type : 'server_error';
  return { message, type, param: null, code };
}

/** A run without what may be large. */
export function toRunSummaryView(run: RunSummary) {
  return {
    id: run.id,
    object: 'workflow.run' as const,
    workflow: run.workflow,
    definition_hash: run.definitionHash,
    status: run.status,
    priority: run.priority,
    tags: run.tags,
    metadata: run.metadata,
    error: toErrorView(run.error),
    tokens: run.tokens,
    parent_run_id: run.parent?.runId ?? null,
    forked_from: run.forkedFrom,
    ...timesOf(run),
    links: linksOf(run),
  };
}

export function toRunView(run: RunRecord) {
  return {
    ...toRunSummaryView(run),
    input: run.input,
    output: run.output ?? null,
    steps: run.steps.map(toStepView),
  };
}

export function toResultView({ id, status, output, error }: RunResult) {
  return { id, status, output: output ?? null, error: toErrorView(error) };
}

/** The answer to the start of a run. Whatever has become of it since, a repeat with the same key is answered alike. */
export function toAcceptedRun(run: RunSummary) {
  const { id, workflow, createdAt } = run;
  return {
    id,
    object: 'workflow.run' as const,
    workflow,
    status: 'queued' as const,
    created_at: createdAt.toISOString(),
    links: linksOf(run),
  };
}

export function timesOf(run: RunSummary) {
  return {
    created_at: run.createdAt.toISOString(),
    started_at: toTime(run.startedAt),
    finished_at: toTime(run.endedAt),
    deadline_at: toTime(run.deadlineAt),
  };
}

function toStepView(step: StepRecord) {
  return {
    id: step.key,
    status: step.status,
    attempts: step.attempt,
    started_at: toTime(step.startedAt),
    finished_at: toTime(step.endedAt),
    output: (step.output ?? null) as Json,
    error: toErrorView(step.error),
    ...(step.waits ? { waiting_for: step.waits } : {}),
    ...(step.wakeAt ? { wake_at: toTime(step.wakeAt) } : {}),
    ...(step.childRunId ? { child_run_id: step.childRunId } : {}),
  };
}

export const runPath = (id: string) => `/api/v1/workflows/${id}`;

function linksOf({ id }: RunSummary) {
  const self = runPath(id);
  return { self, events: `${self}/events`, result: `${self}/result`, cancel: `${self}/cancel` };
}

const toTime = (date: Date | null) => date?.toISOString() ?? null;
