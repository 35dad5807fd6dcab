import type { RequestHandler } from 'express';
import { z } from 'zod';
import { AppError } from '../../core/errors.ts';
import { parseJsonObject } from '../../core/json-depth.ts';
import { parseRequest } from '../../core/parse-request.ts';
import type { ReplyBus } from '../../jobs/reply-bus.ts';
import type { Balancer } from '../../servers/balancer.ts';
import type { ModelAliases } from '../../servers/model-aliases.ts';
import type { RoutingExplanation } from '../../servers/routing-explanation.ts';
import { moveJobs } from '../move-jobs.ts';
import { sendJson } from '../replies/json-reply.ts';
import { toServerDetails } from '../server-view.ts';
import { requireServer, type ServerRouteDeps } from './servers.ts';

export interface OrchestrationDeps extends ServerRouteDeps {
  aliases: ModelAliases;
  routing: Pick<Balancer, 'explain'>;
  bus: ReplyBus;
}

/** GET /orchestration/servers/list */
export function listServerDetails({ registry, inFlight }: ServerRouteDeps): RequestHandler {
  return (_req, res) => {
    const details = registry
      .servers()
      .map((server) => [server.address.id, toServerDetails(server, inFlight(server.address.id))] as const);
    const answer = {
      total_servers: details.length,
      servers: Object.fromEntries(details),
      last_updated: new Date().toISOString(),
    };
    sendJson(res, 200, JSON.stringify(answer));
  };
}

/** GET /orchestration/servers/{id}/health */
export function getServerHealth({ registry, inFlight }: ServerRouteDeps): RequestHandler {
  return (req, res) => {
    const server = requireServer(registry, req);
    const { id } = server.address;
    sendJson(res, 200, JSON.stringify({ server_id: id, ...toServerDetails(server, inFlight(id)) }));
  };
}

/** POST /orchestration/failover/{id}: no new work goes to the server, and what has sent nothing yet moves. */
export function failOver({ registry, serverAdmin, inFlight, bus }: OrchestrationDeps): RequestHandler {
  return async (req, res) => {
    const { id } = requireServer(registry, req).address;
    await serverAdmin.setDraining(id, true);
    const moved = await moveJobs(bus, id);
    const result = { moved_jobs: moved, drained: inFlight(id) === 0 };
    sendJson(res, 200, JSON.stringify({ status: 'failover_initiated', server_id: id, result }));
  };
}

/** POST /orchestration/recover/{id} */
export function recover({ registry, serverAdmin }: ServerRouteDeps): RequestHandler {
  return async (req, res) => {
    const { id } = requireServer(registry, req).address;
    await serverAdmin.setDraining(id, false);
    sendJson(res, 200, JSON.stringify({ status: 'recovered', server_id: id }));
  };
}

export const DistributeRequest = z.strictObject({
  model_required: z.string().min(1).max(256),
  priority: z.enum(['low', 'normal', 'high', 'critical']).optional(),
});

/** POST /orchestration/workload/distribute: where a call would go now, and why. */
export function distributeWorkload({ aliases, routing, jsonDepthMax }: OrchestrationDeps): RequestHandler {
  return (req, res) => {
    const body = parseJsonObject(req.body, { depthMax: jsonDepthMax });
    const { model_required } = parseRequest(DistributeRequest, body);
    const resolved = aliases.resolve(model_required);
    if (!resolved) {
      throw new AppError('model_not_found', `The model \`${model_required}\` does not exist.`, {
        param: 'model_required',
      });
    }
    const { name, model } = resolved;
    const explanation = routing.explain({ model: name, modelClass: model.modelClass, tried: new Set() });
    const { assigned, candidates, estimatedMs } = explanation;
    const answer = {
      model: name,
      assigned_server: assigned,
      estimated_completion: estimatedMs === null ? null : new Date(Date.now() + estimatedMs).toISOString(),
      estimated_completion_ms: estimatedMs,
      load_balancing_decision: toDecision(explanation),
      candidates,
    };
    sendJson(res, 200, JSON.stringify(answer));
  };
}

function toDecision({ assigned, candidates }: RoutingExplanation): string {
  const chosen = candidates.find(({ server }) => server === assigned);
  return chosen ? `${chosen.server}: ${chosen.reason}` : 'No server can take it now.';
}
