import { EMBEDDINGS } from '../../jobs/model-endpoints.ts';
import { type ModelRouteDeps, modelRoute } from '../model-route.ts';

/** POST /v1/embeddings */
export const embeddings = (deps: ModelRouteDeps) => modelRoute(deps, EMBEDDINGS);
