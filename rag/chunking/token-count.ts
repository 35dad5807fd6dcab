import {
  countTokens as countEncoded,
  isWithinTokenLimit,
  setMergeCacheSize,
} from 'gpt-tokenizer/encoding/cl100k_base';

// Its default keeps 100 000 words.
setMergeCacheSize(20_000);

// Text that looks like a special token is text; by default the library throws for it.
const AS_TEXT = { disallowedSpecial: new Set<string>() };

// The tokenizer takes quadratic time for a run without a break: 100 000 letters take it 5 s.
const LONG_RUN = /\S{200}|\s{200}/;
const SLICE_LENGTH = 64;
const ASCII_RUN = /^[!-~]+$/;
// Base64 has as many, random letters 0.54.
const TOKENS_PER_ASCII = 0.75;

/**
 * Tokens of a text by cl100k, which models count within some 20 % of. Long runs without blanks are no prose, and are
 * counted high. It takes linear time. The tokenizer costs 40 MB: only the threads that parse should import this.
 */
export function countTokens(text: string): number {
  return LONG_RUN.test(text) ? countSlices(text, Number.POSITIVE_INFINITY) : countEncoded(text, AS_TEXT);
}

/** Null where there are more than `tokensMax`; it does not count on then. */
export function countUpTo(text: string, tokensMax: number): number | null {
  if (!LONG_RUN.test(text)) {
    const tokens = isWithinTokenLimit(text, tokensMax, AS_TEXT);
    return tokens === false ? null : tokens;
  }
  const tokens = countSlices(text, tokensMax);
  return tokens <= tokensMax ? tokens : null;
}

function countSlices(text: string, tokensMax: number): number {
  let tokens = 0;
  for (let at = 0; at < text.length && tokens <= tokensMax; at += SLICE_LENGTH) {
    const slice = text.slice(at, at + SLICE_LENGTH);
    tokens += ASCII_RUN.test(slice)
      ? Math.ceil(slice.length * TOKENS_PER_ASCII)
      : countEncoded(slice, AS_TEXT);
  }
  return tokens;
}
