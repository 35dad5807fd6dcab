import type { Request, RequestHandler, Response } from 'express';
import { z } from 'zod';
import { AppError } from '../../core/errors.ts';
import { parseJsonObject } from '../../core/json-depth.ts';
import { memberText } from '../../core/json-text.ts';
import { parseRequest } from '../../core/parse-request.ts';
import { OrchestrateRequest, WorkflowStart } from '../../core/schemas/accepted-work.ts';
import { JOB_KINDS, JOB_STATUSES } from '../../core/schemas/work-terms.ts';
import type { CollectionStore } from '../../rag/collection.ts';
import { requireCollection } from '../../rag/require-collection.ts';
import type { RunRecord } from '../../workflows/run-record.ts';
import type { CallRequest, RunOptions } from '../../workflows/runs.ts';
import { type AcceptDeps, accept, noTokens, toWebhook } from '../accepted-options.ts';
import { type CallCheckDeps, checkCall } from '../call-check.ts';
import { markReplayed, readIdempotency } from '../idempotency.ts';
import { factBeginnings, packJobFacts } from '../job-facts.ts';
import { toTimeline } from '../job-timeline.ts';
import { jobPath, runStatusesOf, toAcceptedJob, toJobSummaryView, toJobView } from '../job-view.ts';
import { parsePage, toListPage } from '../list-page.ts';
import { ragCallerOf } from '../rag-caller.ts';
import { sendJson } from '../replies/json-reply.ts';
import { contextOf } from '../request-context.ts';
import { requireRun, scopeOf } from '../run-access.ts';
import { type RunEventsDeps, sendRunEvents } from '../run-events.ts';
import { within } from '../within.ts';
import { toWorkflowRequest, type WorkflowRequestDeps } from '../workflow-request.ts';

export interface JobRouteDeps extends AcceptDeps, CallCheckDeps, WorkflowRequestDeps, RunEventsDeps {
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
});

/** GET /api/v1/orchestrate: newest first. */
export function listJobs({ runs }: JobRouteDeps): RequestHandler {
  return async (req, res) => {
    const { limit, after } = parsePage(req.query);
    const { status, kind, model, key, since, until } = parseRequest(JobQuery, req.query);
    const scope = scopeOf(contextOf(res).principal);
    if (scope !== undefined && key !== undefined && key !== scope) {
      throw new AppError('forbidden', "Another key's jobs are for admins.", { param: 'key' });
    }
    const page = await runs.list({
      kind: 'job',
      limit,
      after: after as RunRecord['id'] | null,
      statuses: status === undefined ? null : runStatusesOf(status),
      workflow: kind ?? null,
      keyName: scope === undefined ? key : scope,
      metadataBegins: model === undefined ? null : factBeginnings(model),
      since: toDate(since),
      until: toDate(until),
    });
    const data = page.runs.map(toJobSummaryView);
    sendJson(res, 200, JSON.stringify({ ...toListPage(data, limit), has_more: page.hasMore }));
  };
}

const toDate = (time: string | undefined) => (time === undefined ? null : new Date(time));

/** GET /api/v1/orchestrate/{id} */
export function getJob({ runs }: JobRouteDeps): RequestHandler {
  return async (req, res) => {
    const { id } = await requireRun(runs, { req, res, kind: 'job' });
    const [job, attempts] = await Promise.all([runs.get(id), runs.attempts(id)]);
    if (!job) throw new AppError('not_found', `There is no job \`${id}\`.`);
    sendJson(res, 200, JSON.stringify(toJobView(job, toTimeline(job, attempts))));
  };
}

/** GET /api/v1/orchestrate/{id}/events */
export function jobEvents(deps: JobRouteDeps): RequestHandler {
  return async (req, res) => {
    const run = await requireRun(deps.runs, { req, res, kind: 'job' });
    await sendRunEvents(deps, { req, res, run });
  };
}

/** POST /api/v1/orchestrate/{id}/cancel */
export function cancelJob({ runs }: JobRouteDeps): RequestHandler {
  return async (req, res) => {
    const { id } = await requireRun(runs, { req, res, kind: 'job' });
    sendJson(res, 200, JSON.stringify(toJobSummaryView(await runs.cancel(id))));
  };
}

/** POST /api/v1/orchestrate/{id}/retry: a failed job again, with as much time to its deadline as at first. */
export function retryJob(deps: JobRouteDeps): RequestHandler {
  const { runs } = deps;
  return async (req, res) => {
    const { id, status } = await requireRun(runs, { req, res, kind: 'job' });
    if (status !== 'failed') {
      throw new AppError('conflict', `Only a job that has failed can be tried again; this one is ${status}.`);
    }
    sendJson(res, 200, JSON.stringify(toJobSummaryView(await runs.retry(id))));
  };
}
