import { AppError } from '../../core/errors.ts';
import type { ModelCatalogue } from './model-catalogue.ts';

const MODEL_PATH = '/v1/models/';
const OLLAMA_VERSION = '0.0.0-citadel-demo';

/** What the routes that do not generate answer to `GET path`. Each throws AppError `not_found` or `model_not_found`. */
export function createListings(
  catalogue: ModelCatalogue,
  protocol: 'openai' | 'ollama',
): (method: string, path: string) => object {
  const routes = new Map<string, () => object>([
    ['/health', () => ({ status: 'ok' })],
    ['/v1/models', catalogue.entries],
  ]);
  if (protocol === 'ollama') {
    routes.set('/api/version', () => ({ version: OLLAMA_VERSION }));
    routes.set('/api/tags', catalogue.tags);
    routes.set('/api/ps', catalogue.loaded);
  }
  return (method, path) => {
    const list = method === 'GET' ? routes.get(path) : undefined;
    if (list !== undefined) return list();
    if (method === 'GET' && path.startsWith(MODEL_PATH))
      return catalogue.entry(decode(path.slice(MODEL_PATH.length)));
    throw new AppError('not_found', `There is no ${method} ${path.slice(0, 200)} here.`);
  };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw new AppError('invalid_request', 'The address is not properly encoded.', { cause });
  }
}
