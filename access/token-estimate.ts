/** What a request will use, as far as can be said before it runs. */
export interface TokenEstimate {
  prompt: number;
  completion: number;
}

/** The fields of a request to a model that tell its size; the rest does not matter. */
export interface SizedRequest {
  messages?: readonly { content?: unknown }[];
  prompt?: unknown;
  input?: unknown;
  max_tokens?: number | null | undefined;
  max_completion_tokens?: number | null | undefined;
  n?: number | null | undefined;
}

const CHARS_PER_TOKEN = 4;
/** For an answer whose length the caller does not bound. */
const ANSWER_TOKENS = 256;
/** For a part that is not text. A picture is between 85 and some 1 500. */
const PART_TOKENS = 500;

/** Four characters of text count as a token; the answer as long as the caller allows. Embeddings have none. */
export function estimateTokens(request: SizedRequest): TokenEstimate {
  const prompt = Math.ceil(countPrompt(request));
  if (request.input !== undefined) return { prompt, completion: 0 };
  const each = request.max_completion_tokens ?? request.max_tokens ?? ANSWER_TOKENS;
  return { prompt, completion: each * (request.n ?? 1) };
}

function countPrompt({ messages, prompt, input }: SizedRequest): number {
  if (messages === undefined) return countText(prompt ?? input);
  return messages.reduce((sum, { content }) => sum + countContent(content), 0);
}

function countContent(content: unknown): number {
  if (!Array.isArray(content)) return countText(content);
  return content.reduce(
    (sum, part) => sum + (typeof part?.text === 'string' ? countText(part.text) : PART_TOKENS),
    0,
  );
}

/** A text, or tokens, alone or many. */
function countText(value: unknown): number {
  if (typeof value === 'string') return value.length / CHARS_PER_TOKEN;
  if (typeof value === 'number') return 1;
  return Array.isArray(value) ? value.reduce((sum: number, item) => sum + countText(item), 0) : 0;
}
