import type { JOB_STATUSES } from '../core/schemas/work-terms.ts';
import type { RunRecord, RunSummary } from '../workflows/run-record.ts';
import type { RunStatus } from '../workflows/run-state.ts';
import { type JobFacts, jobFactsOf } from './job-facts.ts';
import { timesOf, toErrorView } from './run-view.ts';

export type JobStatus = (typeof JOB_STATUSES)[number];

/** A job is a run of one step: where that waits (for a second try, for its workflow), the job runs. */
const STATUS_OF = {
  queued: 'queued',
  running: 'running',
  waiting: 'running',
  paused: 'running',
  succeeded: 'succeeded',
  failed: 'failed',
  cancelled: 'cancelled',
} as const satisfies Record<RunStatus, JobStatus>;

/** The statuses of runs that a job's status stands for. */
export function runStatusesOf(status: JobStatus): RunStatus[] {
  return (Object.keys(STATUS_OF) as RunStatus[]).filter((name) => STATUS_OF[name] === status);
}

/** What a call of each kind is in the ledger. */
export const ENDPOINT_OF = {
  chat: 'chat/completions',
  completion: 'completions',
  embedding: 'embeddings',
} as const;

/** A job without what may be large. */
export function toJobSummaryView(job: RunSummary) {
  const facts = jobFactsOf(job);
  return {
    ...headOf(job, facts),
    mode: 'accepted' as const,
    model: facts.model,
    status: STATUS_OF[job.status],
    priority: job.priority,
    key_name: job.keyName,
    metadata: facts.metadata,
    error: toErrorView(job.error),
    tokens: job.tokens,
    ...timesOf(job),
    links: linksOf(job),
  };
}

/** With `result`: the body that the endpoint would have answered; of a workflow, its run's id and output. */
export function toJobView(job: RunRecord, timeline: object[]) {
  const runId = job.steps[0]?.childRunId ?? null;
  const isWorkflow = job.workflow === 'workflow';
  const output = job.output ?? null;
  const hasResult = job.status === 'succeeded';
  return {
    ...toJobSummaryView(job),
    ...(isWorkflow ? { run_id: runId } : {}),
    result: hasResult ? (isWorkflow ? { run_id: runId, output } : output) : null,
    timeline,
  };
}

/** The answer to a submit. Whatever has become of it since, a repeat with the same key is answered alike. */
export function toAcceptedJob(job: RunSummary) {
  const facts = jobFactsOf(job);
  return {
    ...headOf(job, facts),
    status: 'queued' as const,
    position: facts.position,
    created_at: job.createdAt.toISOString(),
    links: linksOf(job),
  };
}

const headOf = ({ id, workflow: kind }: RunSummary, { class: name }: JobFacts) => ({
  id,
  object: 'job' as const,
  kind,
  class: name,
});

export const jobPath = (id: string) => `/api/v1/orchestrate/${id}`;

function linksOf({ id }: RunSummary) {
  const self = jobPath(id);
  return { self, events: `${self}/events`, cancel: `${self}/cancel` };
}
