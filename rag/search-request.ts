import { z } from 'zod';

const TOP_K_MAX = 100;
const QUERY_CHARS_MAX = 16_384;

/** What a search takes, and a query besides its chat. */
export const SEARCH_FIELDS = {
  collection: z.string().min(1).max(256),
  query: z.string().min(1).max(QUERY_CHARS_MAX),
  top_k: z.int().min(1).max(TOP_K_MAX).nullish(),
  mode: z.enum(['auto', 'lexical', 'dense', 'hybrid']).nullish(),
  /** Checked by parseFilter. */
  filter: z.unknown().optional(),
  /** Of the mode's own score: BM25, the cosine, or what the two ranks come to. */
  min_score: z.number().nullish(),
} as const;

/** The body of POST /api/v1/rag/search. */
export const SearchRequest = z.strictObject(SEARCH_FIELDS);
export type SearchRequest = z.infer<typeof SearchRequest>;
