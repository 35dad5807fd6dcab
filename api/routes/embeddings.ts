import { EmbeddingsRequest } from '../../core/schemas/model-requests.ts';
import { type ModelRouteDeps, modelRoute } from '../model-route.ts';

/** POST /v1/embeddings */
export const embeddings = (deps: ModelRouteDeps) =>
  modelRoute(deps, {
    endpoint: 'embeddings',
    schema: EmbeddingsRequest,
    traits: () => ({ stream: false, includeUsage: false, wholeOnly: true }),
  });
