import type { Request, RequestHandler, Response } from 'express';
import type { z } from 'zod';
import { AppError } from '../core/errors.ts';
import { type JobId, newJobId } from '../core/ids.ts';
import { parseJsonObject } from '../core/json-depth.ts';
import type { ModelClass } from '../core/schemas/model-class.ts';
import type { Dispatcher } from '../jobs/dispatcher.ts';
import type { Ledger } from '../jobs/ledger.ts';
import type { ModelJob } from '../jobs/model-job.ts';
import type { ReplyBus } from '../jobs/reply-bus.ts';
import type { KnownModel, Registry } from '../servers/registry.ts';
import { parseRequest } from './parse-request.ts';
import { createModelReply } from './replies/model-reply.ts';
import { createReplyRelay } from './reply-relay.ts';
import { contextOf } from './request-context.ts';

export interface ModelRouteDeps {
  registry: Registry;
  dispatcher: Dispatcher;
  ledger: Ledger;
  bus: Pick<ReplyBus, 'inbox'>;
  jsonDepthMax: number;
  /** How many requests of a class may wait for a worker in this process. */
  queueDepth: Record<ModelClass, number>;
  /** Whether this process takes no new work because it is about to end. */
  isLeaving(): boolean;
}

interface ModelRoute<Schema extends z.ZodType<{ model: string }>> {
  endpoint: ModelJob['endpoint'];
  schema: Schema;
  /** What of the request decides how its answer is read and written. */
  traits(request: z.infer<Schema>): Pick<ModelJob, 'stream' | 'includeUsage' | 'wholeOnly'>;
}

/** A route that hands its body to a model: parse, find the model, add the job, relay what comes back. */
export function modelRoute<Schema extends z.ZodType<{ model: string }>>(
  deps: ModelRouteDeps,
  { endpoint, schema, traits }: ModelRoute<Schema>,
): RequestHandler {
  return (req: Request, res: Response) => {
    if (deps.isLeaving())
      throw new AppError('overloaded', 'Citadel is shutting down.', { retryAfterSeconds: 5 });
    const { requestId, principal } = contextOf(res);
    const request = parseRequest(schema, parseJsonObject(req.body, { depthMax: deps.jsonDepthMax }));
    const model = requireModel(deps.registry, request.model);
    requireRoom(deps, model.modelClass);

    const id = newJobId();
    const job: ModelJob = {
      requestId,
      keyName: principal.keyName,
      endpoint,
      model: request.model,
      modelClass: model.modelClass,
      ...traits(request),
      replyTo: deps.bus.inbox,
      body: req.body,
    };
    start(deps, { id, job, res });
  };
}

function start(
  { dispatcher, ledger }: ModelRouteDeps,
  { id, job, res }: { id: JobId; job: ModelJob; res: Response },
): void {
  const relay = createReplyRelay({
    id,
    job,
    reply: createModelReply(res, id),
    context: contextOf(res),
    ledger,
    onUnreadable: () => res.destroy(),
  });
  res.on('close', () => {
    if (res.writableFinished || !relay.leave()) return;
    dispatcher.cancel(id);
  });
  dispatcher.dispatch(id, job, relay.listener);
}

function requireRoom({ dispatcher, queueDepth }: ModelRouteDeps, modelClass: ModelClass): void {
  if (dispatcher.queued(modelClass) < queueDepth[modelClass]) return;
  throw new AppError('queue_full', `Too many requests wait for a ${modelClass} model.`, {
    retryAfterSeconds: 2,
  });
}

const NAMES_MAX = 50;

function requireModel(registry: Registry, name: string): KnownModel {
  const model = registry.findModel(name);
  if (!model) {
    const known = registry.models().map(({ id }) => id);
    const names = known.length > NAMES_MAX ? [...known.slice(0, NAMES_MAX), '…'] : known;
    const hint =
      names.length > 0 ? `The models there are: ${names.join(', ')}.` : 'No server has a model now.';
    throw new AppError('model_not_found', `The model \`${name}\` does not exist. ${hint}`, {
      param: 'model',
    });
  }
  if (model.servers.every(({ state }) => state === 'unhealthy')) {
    throw new AppError('no_healthy_server', `No server that has the model \`${name}\` is healthy now.`, {
      param: 'model',
      retryAfterSeconds: 5,
    });
  }
  return model;
}
