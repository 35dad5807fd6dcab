import type { RequestHandler } from 'express';
import { countServers, type HealthDeps, readQueues, readStores, statusOf } from '../health-report.ts';
import { sendJson } from '../replies/json-reply.ts';
import { toServerDetails, toServerHealth } from '../server-view.ts';

/** GET /health/enterprise */
export function enterpriseHealth(deps: HealthDeps): RequestHandler {
  return async (_req, res) => sendJson(res, 200, JSON.stringify(await readClusterHealth(deps)));
}

/** All that admins may know of how servers, queues and stores do. */
export async function readClusterHealth(deps: HealthDeps) {
  const [queues, stores] = await Promise.all([readQueues(deps), readStores(deps.stores)]);
  const servers = deps.registry.servers();
  const details = servers.map(
    (server) => [server.address.id, toServerDetails(server, deps.inFlight(server.address.id))] as const,
  );
  return {
    cluster_status: statusOf(servers, reachOf(stores)),
    ...countServers(servers),
    server_details: Object.fromEntries(details),
    queues,
    stores,
    last_updated: new Date().toISOString(),
  };
}

/** GET /api/v1/health */
export function health(deps: HealthDeps): RequestHandler {
  return async (_req, res) => {
    const [queues, stores] = await Promise.all([readQueues(deps), readStores(deps.stores)]);
    const servers = deps.registry.servers();
    const report = {
      status: statusOf(servers, reachOf(stores)),
      servers: countServers(servers),
      queues,
      stores,
      last_updated: new Date().toISOString(),
    };
    sendJson(res, 200, JSON.stringify(report));
  };
}

/** GET /v1/health: the short form, from memory alone. */
export function shortHealth({ registry }: HealthDeps): RequestHandler {
  return (_req, res) => {
    const servers = registry.servers();
    sendJson(res, 200, JSON.stringify({ status: statusOf(servers), ...countServers(servers) }));
  };
}

/** GET /api/v1/health/servers: how each server does, without where it is. */
export function serversHealth({ registry, inFlight }: HealthDeps): RequestHandler {
  return (_req, res) => {
    const servers = registry.servers();
    const each = servers.map(
      (server) => [server.address.id, toServerHealth(server, inFlight(server.address.id))] as const,
    );
    const report = {
      status: statusOf(servers),
      ...countServers(servers),
      servers: Object.fromEntries(each),
      last_updated: new Date().toISOString(),
    };
    sendJson(res, 200, JSON.stringify(report));
  };
}

/** GET /api/v1/health/queues */
export function queuesHealth(deps: HealthDeps): RequestHandler {
  return async (_req, res) => {
    const queues = await readQueues(deps);
    const isUp = Object.values(queues).every(({ status }) => status === 'up');
    const report = { status: isUp ? 'healthy' : 'unhealthy', queues, last_updated: new Date().toISOString() };
    sendJson(res, 200, JSON.stringify(report));
  };
}

function reachOf(stores: Awaited<ReturnType<typeof readStores>>) {
  return Object.values(stores).map(({ status }) => status);
}
