import type { Request, RequestHandler } from 'express';
import { AppError } from '../../core/errors.ts';
import { parseJsonObject } from '../../core/json-depth.ts';
import { parseRequest } from '../../core/parse-request.ts';
import { ServerRegistration } from '../../core/schemas/server-registration.ts';
import type { KnownServer, Registry } from '../../servers/registry.ts';
import type { ServerAdmin } from '../../servers/server-admin.ts';
import { pageById } from '../list-page.ts';
import { sendJson } from '../replies/json-reply.ts';
import { toServerObject } from '../server-view.ts';

export interface ServerRouteDeps {
  registry: Registry;
  serverAdmin: ServerAdmin;
  /** Calls that run on a server now. */
  inFlight(serverId: string): number;
  jsonDepthMax: number;
}

/** POST /v1/servers and POST /orchestration/servers/register: 201, and 200 when it updates one of the same id. */
export function registerServer({ serverAdmin, jsonDepthMax }: ServerRouteDeps): RequestHandler {
  return async (req, res) => {
    const body = parseJsonObject(req.body, { depthMax: jsonDepthMax });
    const registration = parseRequest(ServerRegistration, body);
    const { created } = await serverAdmin.register(registration);
    const answer = { status: 'registered', server_id: registration.id };
    sendJson(res, created ? 201 : 200, JSON.stringify(answer));
  };
}

/** GET /v1/servers */
export function listServers({ registry, inFlight }: ServerRouteDeps): RequestHandler {
  return (req, res) => {
    const page = pageById(
      registry.servers().map((server) => ({ id: server.address.id, server })),
      req.query,
    );
    const data = page.data.map(({ id, server }) => toServerObject(server, inFlight(id)));
    sendJson(res, 200, JSON.stringify({ ...page, data }));
  };
}

/** GET /v1/servers/{id} */
export function getServer({ registry, inFlight }: ServerRouteDeps): RequestHandler {
  return (req, res) => {
    const server = requireServer(registry, req);
    sendJson(res, 200, JSON.stringify(toServerObject(server, inFlight(server.address.id))));
  };
}

/** PATCH /v1/servers/{id}: the fields that are there; null takes one back to its default. Answers the server. */
export function updateServer({
  registry,
  serverAdmin,
  inFlight,
  jsonDepthMax,
}: ServerRouteDeps): RequestHandler {
  return async (req, res) => {
    const { id } = requireServer(registry, req).address;
    const fields = parseJsonObject(req.body, { depthMax: jsonDepthMax });
    if (Object.hasOwn(fields, 'id') && fields.id !== id) {
      throw new AppError('invalid_request', "'id' cannot be changed.", { param: 'id' });
    }
    const server = await serverAdmin.update(id, (present) => patch(present, fields));
    sendJson(res, 200, JSON.stringify(toServerObject(server, inFlight(id))));
  };
}

/** DELETE /v1/servers/{id} and DELETE /orchestration/servers/{id} */
export function removeServer({ registry, serverAdmin }: ServerRouteDeps): RequestHandler {
  return async (req, res) => {
    const { id } = requireServer(registry, req).address;
    await serverAdmin.remove(id);
    sendJson(res, 200, JSON.stringify({ id, deleted: true }));
  };
}

/** The server that the path's `id` names. Throws AppError `not_found`. */
export function requireServer(registry: Registry, { params }: Request): KnownServer {
  const id = String(params.id);
  const server = registry.servers().find(({ address }) => address.id === id);
  if (!server) throw new AppError('not_found', `There is no server \`${id.slice(0, 64)}\`.`);
  return server;
}

function patch(present: ServerRegistration, fields: Record<string, unknown>): ServerRegistration {
  const merged = Object.entries({ ...present, ...fields }).filter(([, value]) => value !== null);
  return parseRequest(ServerRegistration, Object.fromEntries(merged));
}
