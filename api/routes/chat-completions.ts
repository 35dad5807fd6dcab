import { ChatRequest } from '../../core/schemas/model-requests.ts';
import { type ModelRouteDeps, modelRoute } from '../model-route.ts';

/** POST /v1/chat/completions */
export const chatCompletions = (deps: ModelRouteDeps) =>
  modelRoute(deps, {
    endpoint: 'chat/completions',
    schema: ChatRequest,
    traits: ({ stream, stream_options, modalities }) => ({
      stream: stream === true,
      includeUsage: stream_options?.include_usage === true,
      // Pieces of audio are not the audio cut in pieces.
      wholeOnly: stream !== true && modalities?.includes('audio') === true,
    }),
  });
