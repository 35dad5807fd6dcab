import { COMPLETIONS } from '../../jobs/model-endpoints.ts';
import { type ModelRouteDeps, modelRoute } from '../model-route.ts';

/** POST /v1/completions */
export const completions = (deps: ModelRouteDeps) => modelRoute(deps, COMPLETIONS);
