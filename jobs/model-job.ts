import { z } from 'zod';
import type { InboxId, RequestId } from '../core/ids.ts';
import { ModelClass } from '../core/schemas/model-class.ts';

/** The OpenAI route that was called, below `/v1/`. */
const Endpoint = z.enum(['chat/completions', 'completions', 'embeddings']);

/**
 * An interactive request as its queue keeps it. `body` is the caller's JSON as text: never an object, because the
 * Postgres backend keeps `jsonb`, which reorders keys and refuses NUL, and because parsing would round long numbers.
 */
export const ModelJob = z.object({
  requestId: z.string().transform((id) => id as RequestId),
  keyName: z.string().nullable(),
  endpoint: Endpoint,
  model: z.string(),
  modelClass: ModelClass,
  /** Whether the caller reads a stream. */
  stream: z.boolean(),
  /** Whether the caller asked for the stream's usage chunk. */
  includeUsage: z.boolean(),
  /** Whether the call is one that servers answer only as a whole (best_of, audio). */
  wholeOnly: z.boolean(),
  /** The process that waits for the answer. */
  replyTo: z.string().transform((id) => id as InboxId),
  body: z.string(),
});
export type ModelJob = z.infer<typeof ModelJob>;
