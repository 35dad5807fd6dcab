import { AppError } from '../../core/errors.ts';
import { CompletionRequest } from '../../core/schemas/model-requests.ts';
import { type ModelRouteDeps, modelRoute } from '../model-route.ts';

/** POST /v1/completions */
export const completions = (deps: ModelRouteDeps) =>
  modelRoute(deps, {
    endpoint: 'completions',
    schema: CompletionRequest,
    traits: ({ stream, stream_options, best_of }) => {
      const picksBest = (best_of ?? 1) > 1;
      if (stream && picksBest) {
        throw new AppError('invalid_request', "'best_of' above 1 cannot be streamed.", { param: 'best_of' });
      }
      return {
        stream: stream === true,
        includeUsage: stream_options?.include_usage === true,
        wholeOnly: picksBest,
      };
    },
  });
