import type { GenerationOptions } from './generation-options.ts';

/** One answer of a model: its text in tokens, and why it ended. */
export interface Choice {
  index: number;
  tokens: string[];
  finishReason: 'stop' | 'length' | 'tool_calls';
}

const QUOTED_CHARS_MAX = 200;
/** Longer words count as several tokens. */
const TOKEN = /\s*\S{1,12}|\s+$/gu;
const TOKEN_CHARS_MAX = 12;

/**
 * What the demo model answers to `prompt`: always the same to the same. All ASCII unless the prompt is not, because Node
 * writes such strings several times as fast.
 */
export function demoText(prompt: string, images = 0): string {
  return (
    "This is Citadel's demo model, not a language model: it cannot think, it only shows that your request went all " +
    `the way through the gateway and back. You wrote: "${shorten(prompt)}"${countImages(images)}. ` +
    'For real answers start Ollama, vLLM or llama.cpp on this machine and then Citadel again, or set ' +
    'CITADEL_SERVERS to where your model servers are.'
  );
}

/** `text` as tokens that join to it again. */
function splitTokens(text: string): string[] {
  return text.match(TOKEN) ?? [];
}

/** How many tokens `splitTokens` makes of `text`, about, without making them. */
export function countTokens(text: string): number {
  let count = 0;
  let run = 0;
  for (let at = 0; at < text.length; at += 1) {
    run = text.charCodeAt(at) <= 32 ? 0 : run + 1;
    if (run % TOKEN_CHARS_MAX === 1) count += 1;
  }
  return count;
}

/** `text` as far as `stop` and `tokensMax` let it go. */
export function limitTokens(text: string, { stop, tokensMax }: GenerationOptions): Omit<Choice, 'index'> {
  const tokens = splitTokens(beforeStop(text, stop));
  if (tokensMax === undefined || tokens.length <= tokensMax) return { tokens, finishReason: 'stop' };
  return { tokens: tokens.slice(0, tokensMax), finishReason: 'length' };
}

/** `text` repeated and cut until it is exactly `count` tokens long. */
export function repeatTokens(text: string, count: number): string {
  const tokens = splitTokens(text);
  const [first = 'demo', ...others] = tokens.slice(0, count);
  const round = [...others, ` ${first.trimStart()}`];
  const repeated = Array.from({ length: Math.max(0, count - 1) }, (_, at) => round[at % round.length]);
  return count === 0 ? '' : first + repeated.join('');
}

function shorten(prompt: string): string {
  if (prompt.length <= QUOTED_CHARS_MAX) return prompt;
  // Not in the middle of a surrogate pair.
  return `${prompt.slice(0, QUOTED_CHARS_MAX).replace(/[\uD800-\uDBFF]$/, '')}...`;
}

function countImages(images: number): string {
  if (images === 0) return '';
  return images === 1 ? ' and sent 1 image' : ` and sent ${images} images`;
}

function beforeStop(text: string, stop: string[]): string {
  const ends = stop.map((sequence) => text.indexOf(sequence)).filter((at) => at >= 0);
  return ends.length === 0 ? text : text.slice(0, Math.min(...ends));
}
