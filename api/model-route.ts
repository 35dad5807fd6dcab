import type { Request, RequestHandler, Response } from 'express';
import type { z } from 'zod';
import { estimateTokens, type SizedRequest } from '../access/token-estimate.ts';
import { newJobId } from '../core/ids.ts';
import { parseJsonObject } from '../core/json-depth.ts';
import { parseRequest } from '../core/parse-request.ts';
import { readTraceContext } from '../core/trace-context.ts';
import type { ModelEndpoint } from '../jobs/model-endpoints.ts';
import type { ModelJob } from '../jobs/model-job.ts';
import type { CallRequest } from '../workflows/runs.ts';
import { readIdempotency } from './idempotency.ts';
import { answerKeyed } from './keyed-call.ts';
import { findModel, type ModelCallDeps, startCall, startLater } from './model-call.ts';
import { contextOf } from './request-context.ts';
import { readRequestOptions } from './request-options.ts';
import { requireStaying } from './require-staying.ts';

export type ModelRouteDeps = ModelCallDeps;

type ModelRequest = SizedRequest & { model: string; metadata?: Record<string, unknown> | null | undefined };

/** A route that hands its body to a model: parse, find the model, add the job, relay what comes back. */
export function modelRoute<Schema extends z.ZodType<ModelRequest>>(
  deps: ModelRouteDeps,
  { endpoint, schema, traits }: ModelEndpoint<Schema>,
): RequestHandler {
  return (req: Request, res: Response) => {
    const { requestId, principal } = contextOf(res);
    requireStaying(deps, principal);
    const request = parseRequest(schema, parseJsonObject(req.body, { depthMax: deps.jsonDepthMax }));
    const idempotency = readIdempotency(req);
    const { priority, maxWaitMs, onDisconnect } = readRequestOptions(req, request.metadata);
    const estimate = () => estimateTokens(request);
    const find = () => findModel(deps, request.model, { needsServer: maxWaitMs === null });
    if (idempotency) {
      const cancelOnDisconnect = onDisconnect === 'cancel';
      const kind = KIND_OF[endpoint];
      const call = { req, res, idempotency, kind, ...traits(request), priority, estimate, find };
      return answerKeyed(deps, { ...call, cancelOnDisconnect });
    }
    const { name, modelClass, names } = find();
    const id = newJobId();
    const job: ModelJob = {
      requestId,
      keyName: principal.keyName,
      endpoint,
      model: name,
      ...(name === request.model ? {} : { alias: request.model }),
      modelClass,
      priority,
      maxWaitMs,
      ...traits(request),
      ...traceOf(req, res),
      replyTo: deps.bus.inbox,
      body: req.body,
    };
    const call = { id, job, res, estimate, finishes: onDisconnect === 'finish' };
    const pass = deps.keyGate.enter(principal, {
      models: names,
      estimate,
      setHeader: (name, value) => res.setHeader(name, value),
    });
    if (!pass) return startCall(deps, call, null);
    if (pass instanceof Promise) return pass.then((later) => startLater(deps, call, later));
    return startLater(deps, call, pass);
  };
}

/** Without traces of our own, the caller's is passed on. */
function traceOf(req: Request, res: Response): Pick<ModelJob, 'trace'> {
  const trace = contextOf(res).trace ?? readTraceContext(req.headers);
  return trace ? { trace } : {};
}

/** What the call is where it is a job. */
const KIND_OF = {
  'chat/completions': 'chat',
  completions: 'completion',
  embeddings: 'embedding',
} as const satisfies Record<ModelJob['endpoint'], CallRequest['kind']>;
