import { z } from 'zod';
import { SEARCH_FIELDS } from './search-request.ts';

const Message = z.looseObject({ role: z.string().min(1) });

/** The body of POST /api/v1/rag/query: a search's fields, and a chat's besides its messages, which are passed on. */
export const QueryRequest = z.looseObject({
  ...SEARCH_FIELDS,
  model: z.string().min(1).max(256),
  stream: z.boolean().nullish(),
  /** What was said before the question. */
  messages: z.array(Message).nullish(),
  // One answer, so that its marks are those of one text.
  n: z.literal(1, 'takes 1 here').nullish(),
});
export type QueryRequest = z.infer<typeof QueryRequest>;
