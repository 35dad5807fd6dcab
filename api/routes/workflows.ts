import type { RequestHandler } from 'express';
import { z } from 'zod';
import { AppError } from '../../core/errors.ts';
import { parseJson, parseJsonObject } from '../../core/json-depth.ts';
import type { Json } from '../../core/json-value.ts';
import { parseRequest } from '../../core/parse-request.ts';
import { WorkflowFork, WorkflowStart } from '../../core/schemas/accepted-work.ts';
import { RUN_STATUSES } from '../../core/schemas/work-terms.ts';
import type { ForkRequest } from '../../workflows/runs.ts';
import { type AcceptDeps, accept, noTokens, toWebhook } from '../accepted-options.ts';
import { markReplayed, readIdempotency } from '../idempotency.ts';
import { toRunTimeline } from '../job-timeline.ts';
import { parsePage, toListPage } from '../list-page.ts';
import { sendJson } from '../replies/json-reply.ts';
import { contextOf } from '../request-context.ts';
import { requireRun, scopeOf } from '../run-access.ts';
import { type RunEventsDeps, sendRunEvents } from '../run-events.ts';
import { runPath, toAcceptedRun, toResultView, toRunSummaryView, toRunView } from '../run-view.ts';
import { toWorkflowRequest, type WorkflowRequestDeps } from '../workflow-request.ts';

export interface WorkflowRouteDeps extends AcceptDeps, WorkflowRequestDeps, RunEventsDeps {
  runs: AcceptDeps['runs'];
  keyRing: AcceptDeps['keyRing'];
  jsonDepthMax: number;
}

const RESULT_WAIT_MS_MAX = 60_000;

/** POST /api/v1/workflows: 202 once the run is in the store. */
export function startRun(deps: WorkflowRouteDeps): RequestHandler {
  return async (req, res) => {
    const idempotency = readIdempotency(req);
    const body = parseJsonObject(req.body, { depthMax: deps.jsonDepthMax });
    const wanted = parseRequest(WorkflowStart, body);
    const terms = {
      priority: wanted.priority ?? ('normal' as const),
      deadlineMs: wanted.deadline_ms ?? null,
      webhook: toWebhook(wanted.webhook, deps),
      metadata: (wanted.metadata ?? null) as Json,
    };
    const { run, replayed } = await accept(deps, {
      ...{ res, idempotency },
      async prepare() {
        const { request, models } = await toWorkflowRequest(deps, wanted);
        return {
          models,
          estimate: noTokens,
          start: (caller) => deps.runs.start({ ...request, ...terms, ...caller }),
        };
      },
    });
    markReplayed(res, replayed);
    res.setHeader('location', runPath(run.id));
    sendJson(res, 202, JSON.stringify(toAcceptedRun(run)));
  };
}

export const RunQuery = z.object({
  status: z.enum(RUN_STATUSES).optional(),
  workflow: z.string().min(1).max(128).optional(),
  tag: z.string().min(1).max(128).optional(),
  since: z.iso.datetime({ offset: true, error: 'takes a time such as 2027-01-31T12:00:00Z' }).optional(),
});

/** GET /api/v1/workflows: newest first. */
export function listRuns({ runs }: WorkflowRouteDeps): RequestHandler {
  return async (req, res) => {
    const { limit, after } = parsePage(req.query);
    const { status, workflow = null, tag = null, since } = parseRequest(RunQuery, req.query);
    const page = await runs.list({
      kind: 'workflow',
      limit,
      after,
      statuses: status === undefined ? null : [status],
      workflow,
      tag,
      since: since === undefined ? null : new Date(since),
      keyName: scopeOf(contextOf(res).principal),
    });
    const data = page.runs.map(toRunSummaryView);
    sendJson(res, 200, JSON.stringify({ ...toListPage(data, limit), has_more: page.hasMore }));
  };
}

/** GET /api/v1/workflows/{id} */
export function getRun({ runs }: WorkflowRouteDeps): RequestHandler {
  return async (req, res) => {
    const { id } = await requireRun(runs, { req, res, kind: 'workflow' });
    const run = await runs.get(id);
    if (!run) throw new AppError('not_found', `There is no run \`${id}\`.`);
    sendJson(res, 200, JSON.stringify(toRunView(run)));
  };
}

/** GET /api/v1/workflows/{id}/timeline: every attempt of every step, with the servers that it called and why. */
export function runTimeline({ runs }: WorkflowRouteDeps): RequestHandler {
  return async (req, res) => {
    const run = await requireRun(runs, { req, res, kind: 'workflow' });
    const data = toRunTimeline(run, await runs.attempts(run.id));
    sendJson(res, 200, JSON.stringify({ object: 'list', data }));
  };
}

/** GET /api/v1/workflows/{id}/events */
export function runEvents(deps: WorkflowRouteDeps): RequestHandler {
  return async (req, res) => {
    const run = await requireRun(deps.runs, { req, res, kind: 'workflow' });
    await sendRunEvents(deps, { req, res, run });
  };
}

export const ResultQuery = z.object({
  wait_ms: z
    .string()
    .regex(/^\d{1,9}$/, 'takes whole milliseconds')
    .transform((text) => Math.min(Number(text), RESULT_WAIT_MS_MAX))
    .default(0)
    .meta({ type: 'integer', minimum: 0, description: 'a minute at most' }),
});

/** GET /api/v1/workflows/{id}/result?wait_ms=: 200 when the run has ended, 202 when it has not after that time, which is
 *  a minute at most. */
export function runResult({ runs }: WorkflowRouteDeps): RequestHandler {
  return async (req, res) => {
    const { wait_ms } = parseRequest(ResultQuery, req.query);
    const { id } = await requireRun(runs, { req, res, kind: 'workflow' });
    const left = new AbortController();
    res.once('close', () => left.abort());
    const result = await runs.result(id, wait_ms, left.signal);
    sendJson(res, result.ended ? 200 : 202, JSON.stringify(toResultView(result)));
  };
}

/** POST /api/v1/workflows/{id}/cancel|pause|resume|retry */
export function steerRun(
  { runs }: WorkflowRouteDeps,
  action: 'cancel' | 'pause' | 'resume' | 'retry',
): RequestHandler {
  return async (req, res) => {
    const { id } = await requireRun(runs, { req, res, kind: 'workflow' });
    sendJson(res, 200, JSON.stringify(toRunSummaryView(await runs[action](id))));
  };
}

/** POST /api/v1/workflows/{id}/fork: a new run that takes over what its changes leave as it was. */
export function forkRun(deps: WorkflowRouteDeps): RequestHandler {
  return async (req, res) => {
    const idempotency = readIdempotency(req);
    const body = parseJsonObject(req.body, { depthMax: deps.jsonDepthMax });
    const { from_step: fromStep, set } = parseRequest(WorkflowFork, body);
    const { id, priority, tags, metadata } = await requireRun(deps.runs, { req, res, kind: 'workflow' });
    const { run, replayed } = await accept(deps, {
      ...{ res, idempotency },
      prepare: () => ({
        models: modelsIn(set?.steps),
        estimate: noTokens,
        start: (caller) => {
          const changes = set ? { set: set as ForkRequest['set'] } : {};
          return deps.runs.fork(id, { fromStep, ...changes }, { ...caller, priority, tags, metadata });
        },
      }),
    });
    markReplayed(res, replayed);
    res.setHeader('location', runPath(run.id));
    sendJson(res, 202, JSON.stringify(toAcceptedRun(run)));
  };
}

/** The models that a fork's steps are changed to. */
function modelsIn(steps: Record<string, Record<string, unknown>> = {}): string[][] {
  return Object.values(steps).flatMap(({ model }) => (typeof model === 'string' ? [[model]] : []));
}

/** POST /api/v1/workflows/{id}/signals/{name}: an approval's answer, or an event, with any JSON as its body. */
export function signalRun({ runs, jsonDepthMax }: WorkflowRouteDeps): RequestHandler {
  return async (req, res) => {
    const text = typeof req.body === 'string' ? req.body : '';
    const payload = text.trim() === '' ? null : (parseJson(text, { depthMax: jsonDepthMax }) as Json);
    const { id } = await requireRun(runs, { req, res, kind: 'workflow' });
    const run = await runs.signal(id, String(req.params.name), payload);
    sendJson(res, 200, JSON.stringify(toRunSummaryView(run)));
  };
}
