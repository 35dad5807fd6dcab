import type { Request, RequestHandler, Response } from 'express';
import { z } from 'zod';
import { AppError } from '../../core/errors.ts';
import type { JobId } from '../../core/ids.ts';
import { parseJsonObject } from '../../core/json-depth.ts';
import { memberText } from '../../core/json-text.ts';
import { parseRequest } from '../../core/parse-request.ts';
import { OrchestrateRequest, WorkflowStart } from '../../core/schemas/accepted-work.ts';
import { JOB_KINDS, JOB_STATUSES } from '../../core/schemas/work-terms.ts';
import type { CallStore } from '../../jobs/call-store.ts';
import type { CollectionStore } from '../../rag/collection.ts';
import { requireCollection } from '../../rag/require-collection.ts';
import type { CallRequest, RunOptions } from '../../workflows/runs.ts';
import { type AcceptDeps, accept, noTokens, toWebhook } from '../accepted-options.ts';
import { type CallCheckDeps, checkCall } from '../call-check.ts';
import { toCallView } from '../call-view.ts';
import { markReplayed, readIdempotency } from '../idempotency.ts';
import { packJobFacts } from '../job-facts.ts';
import { readJobs } from '../job-list.ts';
import { toTimeline } from '../job-timeline.ts';
import { jobPath, toAcceptedJob, toJobSummaryView, toJobView } from '../job-view.ts';
import { parsePage, toListPage } from '../list-page.ts';
import { ragCallerOf } from '../rag-caller.ts';
import { sendJson } from '../replies/json-reply.ts';
import { contextOf } from '../request-context.ts';
import { mayRead, requireRun, scopeOf } from '../run-access.ts';
import { type RunEventsDeps, sendRunEvents } from '../run-events.ts';
import { within } from '../within.ts';
import { toWorkflowRequest, type WorkflowRequestDeps } from '../workflow-request.ts';

export interface JobRouteDeps extends AcceptDeps, CallCheckDeps, WorkflowRequestDeps, RunEventsDeps {
  calls: CallStore;
  collections: Pick<CollectionStore, 'byName'>;
  runs: AcceptDeps['runs'];
  keyRing: AcceptDeps['keyRing'];
  jsonDepthMax: number;
}

/** POST /api/v1/orchestrate: 202 once the job is in the store. */
export function submitJob(deps: JobRouteDeps): RequestHandler {
  return async (req, res) => {
    const body = parseJsonObject(req.body, { depthMax: deps.jsonDepthMax });
    const wanted = parseRequest(OrchestrateRequest, body);
    await submitAs(deps, { req, res, wanted, body: rawRequest(req), part: 'request' });
  };
}

interface Submission {
  req: Request;
  res: Response;
  wanted: OrchestrateRequest;
  /** The inner request as it is kept. */
  body: string;
  /** Where in the caller's body it stands; null: it is that body. */
  part: string | null;
}

/** Accepts a job, and answers 202. */
export async function submitAs(deps: JobRouteDeps, submission: Submission): Promise<void> {
  const { res } = submission;
  const { run, replayed } = await submit(deps, submission);
  markReplayed(res, replayed);
  res.setHeader('location', jobPath(run.id));
  sendJson(res, 202, JSON.stringify(toAcceptedJob(run)));
}

async function submit(deps: JobRouteDeps, { req, res, wanted, body, part }: Submission) {
  const idempotency = readIdempotency(req);
  const { kind, request, metadata = null } = wanted;
  const options = {
    priority: wanted.priority ?? ('normal' as const),
    deadlineMs: wanted.deadline_ms ?? null,
    webhook: toWebhook(wanted.webhook, deps),
  };
  if (kind === 'workflow') {
    return await accept(deps, { res, idempotency, prepare: prepareWorkflow });
  }
  return await accept(deps, { res, idempotency, prepare: () => prepareCall(kind) });

  async function prepareWorkflow() {
    const check = () => toWorkflowRequest(deps, parseRequest(WorkflowStart, request));
    const work = await within('request', check);
    const facts = { class: 'workflow', model: null, position: null, metadata };
    const job = { ...work.request, ...options, kind: 'workflow' as const, metadata: packJobFacts(facts) };
    return {
      models: work.models,
      estimate: noTokens,
      start: (caller: Caller) => deps.runs.submit({ ...job, ...caller }),
    };
  }

  async function prepareCall(callKind: CallRequest['kind']) {
    const check = async () => {
      const checked = checkCall(deps, callKind, request);
      if (checked.collection !== null) {
        await requireCollection(deps.collections, checked.collection, ragCallerOf(res));
      }
      return checked;
    };
    const call = await (part === null ? check() : within(part, check));
    const facts = { class: call.modelClass, model: call.model, position: call.position, metadata };
    const seesAll = contextOf(res).principal.role === 'admin';
    const job = {
      ...{ ...options, kind: callKind, seesAll },
      ...{ body, metadata: packJobFacts(facts) },
    };
    return {
      models: [call.names],
      estimate: call.estimate,
      start: (caller: Caller) => deps.runs.submit({ ...job, ...caller }),
    };
  }
}

type Caller = Pick<RunOptions, 'keyName' | 'weight' | 'idempotency'>;

/** The inner request as the caller wrote it: a 20-digit seed survives. */
function rawRequest(req: Request): string {
  return memberText(req.body, 'request') ?? '{}';
}

const Time = z.iso.datetime({ offset: true, error: 'takes a time such as 2027-01-31T12:00:00Z' });

export const JobQuery = z.object({
  status: z.enum(JOB_STATUSES).optional(),
  kind: z.enum(JOB_KINDS).optional(),
  model: z.string().min(1).max(256).optional(),
  key: z.string().min(1).max(256).optional(),
  since: Time.optional(),
  until: Time.optional(),
  mode: z
    .enum(['accepted', 'interactive'])
    .optional()
    .describe('`accepted`: answered 202; `interactive`: calls that have ended and whose callers waited'),
});

/** GET /api/v1/orchestrate: newest first. */
export function listJobs(deps: JobRouteDeps): RequestHandler {
  return async (req, res) => {
    const { limit, after } = parsePage(req.query);
    const { key, since, until, ...filter } = parseRequest(JobQuery, req.query);
    const scope = scopeOf(contextOf(res).principal);
    if (scope !== undefined && key !== undefined && key !== scope) {
      throw new AppError('forbidden', "Another key's jobs are for admins.", { param: 'key' });
    }
    const keyName = scope === undefined ? key : scope;
    const page = { limit, after, keyName, since: toDate(since), until: toDate(until) };
    sendJson(res, 200, JSON.stringify(toListPage(await readJobs(deps, filter, page), limit)));
  };
}

const toDate = (time: string | undefined) => (time === undefined ? null : new Date(time));

/** GET /api/v1/orchestrate/{id} */
export function getJob({ runs, calls }: JobRouteDeps): RequestHandler {
  return async (req, res) => {
    const call = await calls.get(String(req.params.id) as JobId);
    if (call && mayRead(call, contextOf(res).principal)) {
      return sendJson(res, 200, JSON.stringify(toCallView(call)));
    }
    const { id } = await requireRun(runs, { req, res, kind: 'job' });
    const [job, attempts] = await Promise.all([runs.get(id), runs.attempts(id)]);
    if (!job) throw new AppError('not_found', `There is no job \`${id}\`.`);
    sendJson(res, 200, JSON.stringify(toJobView(job, toTimeline(job, attempts))));
  };
}

/** GET /api/v1/orchestrate/{id}/events */
export function jobEvents(deps: JobRouteDeps): RequestHandler {
  return async (req, res) => {
    const run = await requireJob(deps, { req, res });
    await sendRunEvents(deps, { req, res, run });
  };
}

/** POST /api/v1/orchestrate/{id}/cancel */
export function cancelJob(deps: JobRouteDeps): RequestHandler {
  const { runs } = deps;
  return async (req, res) => {
    const { id } = await requireJob(deps, { req, res });
    sendJson(res, 200, JSON.stringify(toJobSummaryView(await runs.cancel(id))));
  };
}

/** POST /api/v1/orchestrate/{id}/retry: a failed job again, with as much time to its deadline as at first. */
export function retryJob(deps: JobRouteDeps): RequestHandler {
  const { runs } = deps;
  return async (req, res) => {
    const { id, status } = await requireJob(deps, { req, res });
    if (status !== 'failed') {
      throw new AppError('conflict', `Only a job that has failed can be tried again; this one is ${status}.`);
    }
    sendJson(res, 200, JSON.stringify(toJobSummaryView(await runs.retry(id))));
  };
}

/** Throws AppError `not_found`, and `conflict` for a call that nobody can look after any more. */
async function requireJob({ runs, calls }: JobRouteDeps, { req, res }: { req: Request; res: Response }) {
  const call = await calls.get(String(req.params.id) as JobId);
  if (call && mayRead(call, contextOf(res).principal)) {
    const message =
      'This call has ended, and its caller has waited for it: that can be done with accepted jobs only.';
    throw new AppError('conflict', message);
  }
  return await requireRun(runs, { req, res, kind: 'job' });
}
