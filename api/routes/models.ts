import type { RequestHandler } from 'express';
import { AppError } from '../../core/errors.ts';
import type { ModelClass } from '../../core/schemas/model-class.ts';
import type { ModelAliases } from '../../servers/model-aliases.ts';
import { type KnownModel, type Registry, takesWork } from '../../servers/registry.ts';
import { sendJson } from '../replies/json-reply.ts';

interface ModelsDeps {
  registry: Registry;
  aliases: ModelAliases;
  /** For a model whose server does not say when it was made (unix seconds). */
  startedSeconds: number;
}

/** GET /v1/models: the models that can be called now, aliases among them; only those of `modelClass` where one is given. */
export function listModels(deps: ModelsDeps, modelClass?: ModelClass): RequestHandler {
  return (_req, res) => {
    const models = new Map(deps.registry.models().map((model) => [model.id, toModel(model, deps)]));
    for (const name of deps.aliases.chains().keys()) {
      const resolved = deps.aliases.resolve(name);
      if (resolved?.model.servers.some(takesWork)) {
        models.set(name, toModel({ ...resolved.model, id: name }, deps));
      }
    }
    const data = [...models.values()]
      .filter(({ citadel }) => modelClass === undefined || citadel.class === modelClass)
      .sort((a, b) => (a.id < b.id ? -1 : 1));
    sendJson(res, 200, JSON.stringify({ object: 'list', data }));
  };
}

/** GET /v1/models/{id}, whose id may hold `/` and `:`. */
export function getModel(deps: ModelsDeps): RequestHandler {
  return (req, res) => {
    const id = [req.params.id].flat().join('/');
    const resolved = deps.aliases.resolve(id);
    if (!resolved)
      throw new AppError('model_not_found', `The model \`${id}\` does not exist.`, { param: 'model' });
    const shown = deps.aliases.chains().has(id) ? id : resolved.model.id;
    sendJson(res, 200, JSON.stringify(toModel({ ...resolved.model, id: shown }, deps)));
  };
}

function toModel({ id, info, modelClass, servers }: KnownModel, { startedSeconds, aliases }: ModelsDeps) {
  const chain = aliases.chains().get(id);
  return {
    id,
    object: 'model',
    created: info.created ?? startedSeconds,
    owned_by: info.ownedBy ?? 'citadel',
    citadel: {
      class: modelClass,
      servers: servers.map(({ address }) => address.id),
      state: servers.some(({ state }) => state !== 'unhealthy') ? 'healthy' : 'unhealthy',
      ...(chain ? { alias_of: chain } : {}),
    },
  };
}
