import type { RequestHandler } from 'express';
import { AppError } from '../../core/errors.ts';
import type { KnownModel, Registry } from '../../servers/registry.ts';
import { sendJson } from '../replies/json-reply.ts';

interface ModelsDeps {
  registry: Registry;
  /** For a model whose server does not say when it was made (unix seconds). */
  startedSeconds: number;
}

/** GET /v1/models */
export function listModels({ registry, startedSeconds }: ModelsDeps): RequestHandler {
  return (_req, res) => {
    const data = registry.models().map((model) => toModel(model, startedSeconds));
    sendJson(res, 200, JSON.stringify({ object: 'list', data }));
  };
}

/** GET /v1/models/{id}, whose id may hold `/` and `:`. */
export function getModel({ registry, startedSeconds }: ModelsDeps): RequestHandler {
  return (req, res) => {
    const id = [req.params.id].flat().join('/');
    const model = registry.findModel(id);
    if (!model)
      throw new AppError('model_not_found', `The model \`${id}\` does not exist.`, { param: 'model' });
    sendJson(res, 200, JSON.stringify(toModel(model, startedSeconds)));
  };
}

function toModel({ id, info, modelClass, servers }: KnownModel, startedSeconds: number) {
  const healthy = servers.some(({ state }) => state !== 'unhealthy');
  return {
    id,
    object: 'model',
    created: info.created ?? startedSeconds,
    owned_by: info.ownedBy ?? 'citadel',
    citadel: {
      class: modelClass,
      servers: servers.map(({ address }) => address.id),
      state: healthy ? 'healthy' : 'unhealthy',
    },
  };
}
