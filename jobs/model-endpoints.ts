import type { z } from 'zod';
import { AppError } from '../core/errors.ts';
import { ChatRequest, CompletionRequest, EmbeddingsRequest } from '../core/schemas/model-requests.ts';
import type { ModelJob } from './model-job.ts';

/** One of OpenAI's routes that hand their body to a model. */
export interface ModelEndpoint<Schema extends z.ZodType> {
  endpoint: ModelJob['endpoint'];
  schema: Schema;
  /** What of the request decides how its answer is read and written. Throws AppError `invalid_request`. */
  traits(request: z.infer<Schema>): Pick<ModelJob, 'stream' | 'includeUsage' | 'wholeOnly'>;
}

export const CHAT: ModelEndpoint<typeof ChatRequest> = {
  endpoint: 'chat/completions',
  schema: ChatRequest,
  traits: ({ stream, stream_options, modalities }) => ({
    stream: stream === true,
    includeUsage: stream_options?.include_usage === true,
    // Pieces of audio are not the audio cut in pieces.
    wholeOnly: stream !== true && modalities?.includes('audio') === true,
  }),
};

export const COMPLETIONS: ModelEndpoint<typeof CompletionRequest> = {
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
};

export const EMBEDDINGS: ModelEndpoint<typeof EmbeddingsRequest> = {
  endpoint: 'embeddings',
  schema: EmbeddingsRequest,
  traits: () => ({ stream: false, includeUsage: false, wholeOnly: true }),
};
