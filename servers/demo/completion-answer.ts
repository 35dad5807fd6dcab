import type { Answer } from './answer-scripts.ts';
import { type Fields, isIntegers, isStrings, parseFlag, parseInteger, wrongField } from './body-fields.ts';
import type { AnswerStamp } from './chat-answer.ts';
import { type Choice, countTokens, demoText, limitTokens, repeatTokens } from './demo-text.ts';
import { type ChunkForm, countUsage, longestChoice, toEventParts } from './event-parts.ts';
import { type GenerationOptions, parseGenerationOptions } from './generation-options.ts';
import { logprobOf, topLogprobs } from './token-logprobs.ts';

/** OpenAI's default for the legacy route. */
const TOKENS_DEFAULT = 16;
const PROMPTS_MAX = 2_048;

interface Prompt {
  text: string;
  tokens: number;
}

interface CompletionRequest {
  options: GenerationOptions;
  prompts: Prompt[];
  isEcho: boolean;
  logprobs: number | undefined;
}

/** The answer to a legacy completion's body. Throws AppError `invalid_request`. */
export function answerCompletion(body: Fields, stamp: AnswerStamp): Answer {
  const request = parseCompletionRequest(body, stamp.tokens);
  const { options, prompts, logprobs } = request;
  const choices = prompts.flatMap((prompt, at) =>
    Array.from({ length: options.n }, (_, n) =>
      composeChoice(request, prompt, {
        index: at * options.n + n,
        tokens: stamp.tokens,
      }),
    ),
  );
  const usage = countUsage(
    prompts.reduce((sum, { tokens }) => sum + tokens, 0),
    choices,
  );
  const envelope = {
    id: `cmpl-demo${stamp.serial}`,
    object: 'text_completion',
    created: stamp.created,
    model: stamp.model,
    system_fingerprint: 'citadel-demo',
  };
  const documentOf = (list: EchoedChoice[]) =>
    JSON.stringify({ ...envelope, choices: list.map((choice) => toDocumentChoice(choice, logprobs)), usage });
  return {
    tokenCount: longestChoice(choices),
    document: () => documentOf(choices),
    hollowDocument: () => documentOf([]),
    stream: options.isStream
      ? () =>
          toEventParts(
            envelope,
            choices,
            textForm(request, choices),
            options.includeUsage ? usage : undefined,
          )
      : undefined,
  };
}

interface EchoedChoice extends Choice {
  /** The prompt where it is to be echoed, else empty. */
  echo: string;
}

function parseCompletionRequest(body: Fields, tokens: number | undefined): CompletionRequest {
  const options = parseGenerationOptions(body);
  const bestOf = parseInteger(body, 'best_of', [options.n, 128]) ?? options.n;
  if (options.isStream && bestOf > options.n) throw wrongField('best_of', 'left out of a stream');
  return {
    options: {
      ...options,
      tokensMax: options.tokensMax ?? (tokens === undefined ? TOKENS_DEFAULT : undefined),
    },
    prompts: parsePrompts(body.prompt ?? ''),
    isEcho: parseFlag(body, 'echo'),
    logprobs: parseInteger(body, 'logprobs', [0, 5]),
  };
}

function parsePrompts(value: unknown): Prompt[] {
  if (typeof value === 'string') return [toPrompt(value)];
  if (Array.isArray(value) && value.length > 0 && value.length <= PROMPTS_MAX) {
    if (isStrings(value)) return value.map(toPrompt);
    if (value.every(isIntegers)) return value.map(toTokenPrompt);
  }
  if (isIntegers(value) && value.length > 0) return [toTokenPrompt(value)];
  throw wrongField('prompt', `a string, a list of tokens, or up to ${PROMPTS_MAX} of either`);
}

function toPrompt(text: string): Prompt {
  return { text, tokens: countTokens(text) };
}

function toTokenPrompt(ids: number[]): Prompt {
  return { text: `[${ids.length} tokens]`, tokens: ids.length };
}

function composeChoice(
  { options, isEcho }: CompletionRequest,
  prompt: Prompt,
  { index, tokens }: { index: number; tokens: number | undefined },
): EchoedChoice {
  const text = demoText(prompt.text);
  const exact = tokens === undefined ? text : repeatTokens(text, tokens);
  return { index, ...limitTokens(exact, options), echo: isEcho ? prompt.text : '' };
}

function toDocumentChoice(choice: EchoedChoice, top: number | undefined): object {
  const tokens = choice.echo === '' ? choice.tokens : [choice.echo, ...choice.tokens];
  return {
    index: choice.index,
    text: tokens.join(''),
    logprobs: logprobsOf(tokens, top),
    finish_reason: choice.finishReason,
  };
}

function textForm({ logprobs, isEcho }: CompletionRequest, choices: EchoedChoice[]): ChunkForm {
  const chunkOf = (index: number, text: string, finishReason: string | null) =>
    JSON.stringify({
      index,
      text,
      logprobs: text === '' ? null : logprobsOf([text], logprobs),
      finish_reason: finishReason,
    });
  return {
    opening: isEcho ? ({ index }) => chunkOf(index, choices[index]?.echo ?? '', null) : undefined,
    token: ({ index, tokens }, at) => chunkOf(index, tokens[at] ?? '', null),
    finish: ({ index, finishReason }) => chunkOf(index, '', finishReason),
    tokenOf: (text) => chunkOf(0, text, null),
  };
}

function logprobsOf(tokens: string[], top: number | undefined): object | null {
  if (top === undefined) return null;
  let offset = 0;
  const offsets = tokens.map((token) => {
    offset += token.length;
    return offset - token.length;
  });
  return {
    tokens,
    token_logprobs: tokens.map(logprobOf),
    top_logprobs: tokens.map((token, at) =>
      Object.fromEntries(topLogprobs(token, at, top).map(({ token: text, logprob }) => [text, logprob])),
    ),
    text_offset: offsets,
  };
}
