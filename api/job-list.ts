import type { CallStore } from '../jobs/call-store.ts';
import type { RunQuery, Runs } from '../workflows/runs.ts';
import { toCallSummaryView } from './call-view.ts';
import { factBeginnings } from './job-facts.ts';
import { ENDPOINT_OF, type JobStatus, runStatusesOf, toJobSummaryView } from './job-view.ts';

export interface JobListDeps {
  runs: Pick<Runs, 'list'>;
  calls: Pick<CallStore, 'list'>;
}

/** `undefined` filters nothing. */
export interface JobFilter {
  status?: JobStatus | undefined;
  kind?: string | undefined;
  model?: string | undefined;
  mode?: 'accepted' | 'interactive' | undefined;
}

type Page = Pick<RunQuery, 'limit' | 'keyName'> & {
  after: string | null;
  since: Date | null;
  until: Date | null;
};

/** Accepted jobs, and calls that have ended, the newest first; one more than `limit` where there are more. */
export async function readJobs(deps: JobListDeps, filter: JobFilter, page: Page) {
  const [jobs, calls] = await Promise.all([acceptedOf(deps, filter, page), callsOf(deps, filter, page)]);
  const entries = [
    ...jobs.map((job) => ({ at: job.createdAt, view: () => toJobSummaryView(job) })),
    ...calls.map((call) => ({ at: call.createdAt, view: () => toCallSummaryView(call) })),
  ];
  // The stores go by the same order: where the milliseconds are the same, jobs come first.
  return entries
    .sort((a, b) => b.at.getTime() - a.at.getTime())
    .slice(0, page.limit + 1)
    .map(({ view }) => view());
}

async function acceptedOf({ runs }: JobListDeps, { status, kind, model, mode }: JobFilter, page: Page) {
  if (mode === 'interactive') return [];
  const { runs: jobs } = await runs.list({
    ...page,
    kind: 'job',
    limit: page.limit + 1,
    statuses: status === undefined ? null : runStatusesOf(status),
    workflow: kind ?? null,
    metadataBegins: model === undefined ? null : factBeginnings(model),
  });
  return jobs;
}

async function callsOf({ calls }: JobListDeps, { status, kind, model, mode }: JobFilter, page: Page) {
  const endpoint = kind === undefined ? null : ENDPOINT_OF[kind as keyof typeof ENDPOINT_OF];
  const isEnded =
    status === undefined || status === 'succeeded' || status === 'failed' || status === 'cancelled';
  if (mode === 'accepted' || endpoint === undefined || !isEnded) return [];
  return await calls.list({
    ...page,
    keyName: page.keyName,
    outcome: status ?? null,
    endpoint,
    model: model ?? null,
  });
}
