import { AppError } from '../core/errors.ts';
import type { ModelAliases, ResolvedModel } from './model-aliases.ts';
import { type KnownModel, type Registry, takesWork } from './registry.ts';

const NAMES_MAX = 50;

/** What the name stands for now. Throws AppError `model_not_found`, which names the models that there are. */
export function requireModel(
  registry: Pick<Registry, 'models'>,
  aliases: Pick<ModelAliases, 'resolve'>,
  name: string,
  param = 'model',
): ResolvedModel {
  const resolved = aliases.resolve(name);
  if (resolved) return resolved;
  const known = registry.models().map(({ id }) => id);
  const names = known.length > NAMES_MAX ? [...known.slice(0, NAMES_MAX), '…'] : known;
  const hint = names.length > 0 ? `The models there are: ${names.join(', ')}.` : 'No server has a model now.';
  throw new AppError('model_not_found', `The model \`${name}\` does not exist. ${hint}`, { param });
}

/** Throws AppError `no_healthy_server` for a model that no server can serve now. */
export function requireServer(model: KnownModel): void {
  if (model.servers.some(takesWork)) return;
  throw new AppError('no_healthy_server', `No server that has the model \`${model.id}\` is healthy now.`, {
    param: 'model',
    retryAfterSeconds: 5,
  });
}
