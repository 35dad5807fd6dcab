import { z } from 'zod';

const Count = z.int().nonnegative().nullish().catch(null);
const Usage = z.object({ prompt_tokens: Count, completion_tokens: Count });

export interface TokenCounts {
  promptTokens: number | null;
  completionTokens: number | null;
}

/** The counts of OpenAI's `usage` object; null where a server does not say. */
export function readUsage(usage: unknown): TokenCounts {
  const { data } = Usage.safeParse(usage);
  return { promptTokens: data?.prompt_tokens ?? null, completionTokens: data?.completion_tokens ?? null };
}
