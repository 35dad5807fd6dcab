import type { Request, RequestHandler } from 'express';
import { z } from 'zod';
import { AppError } from '../../core/errors.ts';
import { parseJsonObject } from '../../core/json-depth.ts';
import { parseRequest } from '../../core/parse-request.ts';
import type { Definitions, DefinitionVersion } from '../../workflows/definitions.ts';
import { planDefinition } from '../../workflows/plan.ts';
import { describePlan } from '../../workflows/plan-view.ts';
import { parsePage, toListPage } from '../list-page.ts';
import { sendJson } from '../replies/json-reply.ts';

export interface DefinitionRouteDeps {
  definitions: Definitions;
  jsonDepthMax: number;
}

/** PUT /api/v1/workflows/definitions/{name}: a new version, unless the newest says the same. */
export function putDefinition({ definitions, jsonDepthMax }: DefinitionRouteDeps): RequestHandler {
  return async (req, res) => {
    const definition = parseJsonObject(req.body, { depthMax: jsonDepthMax });
    const stored = await definitions.put(nameOf(req), definition);
    sendJson(res, 200, JSON.stringify(toView(stored)));
  };
}

/** GET /api/v1/workflows/definitions: by name, the newest version of each. */
export function listDefinitions({ definitions }: DefinitionRouteDeps): RequestHandler {
  return async (req, res) => {
    const { limit, after } = parsePage(req.query);
    const page = await definitions.list({ limit, after });
    const data = page.definitions.map((definition) => ({ id: definition.name, ...toView(definition) }));
    sendJson(res, 200, JSON.stringify({ ...toListPage(data, limit), has_more: page.hasMore }));
  };
}

export const VersionQuery = z.object({
  version: z
    .string()
    .regex(/^[1-9]\d{0,8}$/, 'takes a whole number from 1')
    .transform(Number)
    .optional()
    .meta({ type: 'integer', minimum: 1 }),
});

/** GET /api/v1/workflows/definitions/{name}?version= */
export function getDefinition({ definitions }: DefinitionRouteDeps): RequestHandler {
  return async (req, res) => {
    const { version } = parseRequest(VersionQuery, req.query);
    const stored = await definitions.get(nameOf(req), version);
    if (!stored) throw unknownDefinition(req);
    sendJson(res, 200, JSON.stringify({ ...toView(stored), definition: stored.definition }));
  };
}

/** DELETE /api/v1/workflows/definitions/{name}: runs that have begun go on with it. */
export function removeDefinition({ definitions }: DefinitionRouteDeps): RequestHandler {
  return async (req, res) => {
    const name = nameOf(req);
    if (!(await definitions.remove(name))) throw unknownDefinition(req);
    sendJson(res, 200, JSON.stringify({ name, object: 'workflow.definition', deleted: true }));
  };
}

/** POST /api/v1/workflows/validate: what is wrong with a definition, all at once, or how it would run. */
export function validateDefinition({ jsonDepthMax }: DefinitionRouteDeps): RequestHandler {
  return (req, res) => {
    const planning = planDefinition(parseJsonObject(req.body, { depthMax: jsonDepthMax }));
    const answer = planning.valid
      ? { valid: true, errors: [], plan: describePlan(planning.plan) }
      : { valid: false, errors: planning.errors, plan: null };
    sendJson(res, 200, JSON.stringify(answer));
  };
}

const nameOf = (req: Request) => String(req.params.name);

function unknownDefinition(req: Request): AppError {
  return new AppError('not_found', `There is no workflow \`${nameOf(req).slice(0, 128)}\`.`);
}

function toView({ name, version, hash, createdAt }: DefinitionVersion) {
  return { name, object: 'workflow.definition', version, hash, created_at: createdAt.toISOString() };
}
