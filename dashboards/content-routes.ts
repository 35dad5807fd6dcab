import type { RequestHandler, Router } from 'express';
import { z } from 'zod';
import { sendJson } from '../api/replies/json-reply.ts';
import { contextOf } from '../api/request-context.ts';
import type { RunId } from '../core/ids.ts';
import type { Logger } from '../core/logger.ts';
import { parseRequest } from '../core/parse-request.ts';
import { describePlan } from '../workflows/plan-view.ts';
import type { RunInspection } from '../workflows/run-inspection.ts';

export interface ContentDeps {
  inspection: RunInspection;
  logger: Logger;
}

/** What the page shows of single jobs and runs, and the API does not: each look at a caller's words is logged. */
export function addContentRoutes(router: Router, deps: ContentDeps): void {
  router.get('/api/jobs/:id/request', jobRequest(deps));
  router.get('/api/runs/:id/plan', runPlan(deps));
  router.get('/api/runs/:id/steps/*key', stepInput(deps));
}

const RequestQuery = z.object({ model: z.string().min(1).max(256).optional() });

/** `{kind, request}`: a job's request, with the model that `?model=` names in place of its own. */
function jobRequest({ inspection, logger }: ContentDeps): RequestHandler {
  return async (req, res) => {
    const { model = null } = parseRequest(RequestQuery, req.query);
    const id = String(req.params.id) as RunId;
    const { kind, request } = await inspection.requestOf(id, model);
    logger.info('an admin looked at a request', { job: id, key: contextOf(res).principal.keyName });
    sendJson(res, 200, `{"kind":${JSON.stringify(kind)},"request":${request}}`);
  };
}

function runPlan({ inspection }: ContentDeps): RequestHandler {
  return async (req, res) => {
    const plan = await inspection.planOf(String(req.params.id) as RunId);
    sendJson(res, 200, JSON.stringify({ definition: plan.definition, plan: describePlan(plan) }));
  };
}

function stepInput({ inspection, logger }: ContentDeps): RequestHandler {
  return async (req, res) => {
    const id = String(req.params.id) as RunId;
    const key = [req.params.key].flat().join('/');
    const input = await inspection.stepInput(id, key);
    logger.info("an admin looked at a step's input", { run: id, key: contextOf(res).principal.keyName });
    sendJson(res, 200, JSON.stringify({ input }));
  };
}
