import { z } from 'zod';
import type { InboxId, RequestId } from '../core/ids.ts';
import { ModelClass } from '../core/schemas/model-class.ts';
import { Priority } from '../core/schemas/priority.ts';
import { TraceContext } from '../core/trace-context.ts';

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
  /** The model that runs it. */
  model: z.string(),
  /** The name that the body has for it, where that is another. */
  alias: z.string().optional(),
  modelClass: ModelClass,
  priority: Priority.default('normal'),
  /** For how long after its add the caller waits for its turn, and for a server where there is none. Null: as long as it
   *  takes for its turn, and not at all for a server. */
  maxWaitMs: z.number().nullable().default(null),
  /** Whether the caller reads a stream. */
  stream: z.boolean(),
  /** Whether the caller asked for the stream's usage chunk. */
  includeUsage: z.boolean(),
  /** Whether the call is one that servers answer only as a whole (best_of, audio). */
  wholeOnly: z.boolean(),
  /** Whether its answer comes with a timeline. */
  explain: z.boolean().optional(),
  /** What the one who waits for a whole answer hears of it as it comes: its first choice's text, or its chunks. */
  progress: z.enum(['text', 'chunks']).optional(),
  /** Sent to the server: the same for each try of the same work. */
  idempotencyKey: z.string().optional(),
  /** Where in a trace it is a part; sent on to the server. */
  trace: TraceContext.optional(),
  /** The process that waits for the answer. */
  replyTo: z.string().transform((id) => id as InboxId),
  body: z.string(),
});
export type ModelJob = z.infer<typeof ModelJob>;
