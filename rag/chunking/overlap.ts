import { isBlank, type Span, safeCut, trimSpan } from './span.ts';
import { sentences } from './text-parts.ts';
import { countTokens, countUpTo } from './token-count.ts';

// Looked at per token that may be repeated.
const TOKEN_LENGTH = 8;
const WORDS_TOKEN_LENGTH = 3;

/**
 * The end of a chunk that the next one repeats: its last sentences of together at most `tokensMax`, or its last words where
 * the last sentence is longer. Null where that would be nothing, or all of it.
 */
export function overlapOf(
  text: string,
  chunk: Span,
  tokensMax: number,
): { start: number; tokens: number } | null {
  if (tokensMax <= 0) return null;
  const windowStart = safeCut(text, Math.max(chunk.start, chunk.end - tokensMax * TOKEN_LENGTH));
  const found = [...sentences(text, { start: windowStart, end: chunk.end })];
  // The first is cut by the window, or is where the chunk begins.
  found.shift();
  let best: { start: number; tokens: number } | null = null;
  for (const sentence of found.reverse()) {
    const { start, end } = trimSpan(text, sentence);
    if (start === end) continue;
    const tokens: number = (best ? best.tokens + 1 : 0) + countTokens(text.slice(start, end));
    if (tokens > tokensMax) break;
    best = { start, tokens };
  }
  return best ?? lastWords(text, chunk, tokensMax);
}

function lastWords(text: string, chunk: Span, tokensMax: number) {
  let start = chunk.end - tokensMax * WORDS_TOKEN_LENGTH;
  if (start <= chunk.start) return null;
  while (start < chunk.end && !isBlank(text.charCodeAt(start - 1))) start++;
  const words = trimSpan(text, { start, end: chunk.end });
  if (words.start === words.end) return null;
  const tokens = countUpTo(text.slice(words.start, words.end), tokensMax);
  return tokens === null ? null : { start: words.start, tokens };
}
