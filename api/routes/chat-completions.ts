import { CHAT } from '../../jobs/model-endpoints.ts';
import { type ModelRouteDeps, modelRoute } from '../model-route.ts';

/** POST /v1/chat/completions */
export const chatCompletions = (deps: ModelRouteDeps) => modelRoute(deps, CHAT);
