import { z } from 'zod';
import { ModelClass } from '../../../core/schemas/model-class.ts';
import { AnyJson, Count, UnixSeconds } from './shared-answers.ts';

// OpenAI's objects are passed on as the model server wrote them: what is not named here may be there too.

const Usage = z.looseObject({ prompt_tokens: Count, completion_tokens: Count, total_tokens: Count });

export const ChatCompletion = z.looseObject({
  id: z.string(),
  object: z.literal('chat.completion'),
  created: UnixSeconds,
  model: z.string(),
  choices: z.array(
    z.looseObject({
      index: Count,
      message: z.looseObject({ role: z.string(), content: AnyJson }),
      finish_reason: z.string().nullable(),
    }),
  ),
  usage: Usage.nullish(),
});

export const Completion = z.looseObject({
  id: z.string(),
  object: z.literal('text_completion'),
  created: UnixSeconds,
  model: z.string(),
  choices: z.array(z.looseObject({ index: Count, text: z.string(), finish_reason: z.string().nullable() })),
  usage: Usage.nullish(),
});

export const Embeddings = z.looseObject({
  object: z.literal('list'),
  model: z.string(),
  data: z.array(
    z.looseObject({
      object: z.literal('embedding'),
      index: Count,
      embedding: z
        .union([z.array(z.number()), z.string()])
        .describe('numbers, or little-endian float32 in base64'),
    }),
  ),
  usage: z.looseObject({ prompt_tokens: Count, total_tokens: Count }).nullish(),
});

export const Model = z.object({
  id: z.string(),
  object: z.literal('model'),
  created: UnixSeconds,
  owned_by: z.string(),
  citadel: z.object({
    class: ModelClass,
    servers: z.array(z.string()).describe('ids of the servers that have it'),
    state: z.enum(['healthy', 'unhealthy']),
    alias_of: z
      .array(z.string())
      .optional()
      .describe('for an alias: the models that it stands for, in order'),
  }),
});

export const ModelList = z.object({ object: z.literal('list'), data: z.array(Model) });

export const Similarity = z.object({
  object: z.literal('similarity'),
  model: z.string(),
  scores: z.array(z.number()).describe('the cosine of `a` with each of `b`, in their order'),
});

/** A chat completion whose text has marks such as [1]. */
export const QueryAnswer = ChatCompletion.extend({
  citations: z.array(
    z.object({
      index: z.int().min(1),
      document_id: z.string(),
      chunk_id: z.string(),
      quote: z.string(),
      char_start: Count,
      char_end: Count,
    }),
  ),
});
