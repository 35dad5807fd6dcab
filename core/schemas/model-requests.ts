import { z } from 'zod';

// Types are checked, ranges and vendors' own parameters are the model server's to judge: everything is passed through.

const Text = z.string().nullish();
const Numeric = z.number().nullish();
const Count = z.int().nonnegative().nullish();
const Flag = z.boolean().nullish();
const Texts = z.union([z.string(), z.array(z.string())]).nullish();
const Model = z.string().min(1).max(256);
const StreamOptions = z.looseObject({ include_usage: Flag }).nullish();

/** Sampling and output parameters that chat and legacy completions share. */
const GENERATION = {
  model: Model,
  stream: Flag,
  stream_options: StreamOptions,
  n: z.int().min(1).max(128).nullish(),
  max_tokens: Count,
  temperature: Numeric,
  top_p: Numeric,
  presence_penalty: Numeric,
  frequency_penalty: Numeric,
  seed: Numeric,
  stop: Texts,
  logit_bias: z.record(z.string(), z.number()).nullish(),
  user: Text,
} as const;

const Message = z.looseObject({
  role: z.string().min(1),
  content: z.union([z.string(), z.array(z.looseObject({ type: z.string() }))]).nullish(),
  name: Text,
  tool_call_id: Text,
  tool_calls: z.array(z.looseObject({})).nullish(),
});

/** The body of POST /v1/chat/completions. */
export const ChatRequest = z.looseObject({
  ...GENERATION,
  messages: z.array(Message).min(1),
  max_completion_tokens: Count,
  logprobs: Flag,
  top_logprobs: Count,
  tools: z.array(z.looseObject({ type: z.string() })).nullish(),
  tool_choice: z.union([z.string(), z.looseObject({})]).nullish(),
  parallel_tool_calls: Flag,
  functions: z.array(z.looseObject({ name: z.string() })).nullish(),
  function_call: z.union([z.string(), z.looseObject({})]).nullish(),
  response_format: z.looseObject({ type: z.string() }).nullish(),
  modalities: z.array(z.string()).nullish(),
  audio: z.looseObject({}).nullish(),
  prediction: z.looseObject({}).nullish(),
  metadata: z.record(z.string(), z.unknown()).nullish(),
  reasoning_effort: Text,
  service_tier: Text,
  store: Flag,
});
export type ChatRequest = z.infer<typeof ChatRequest>;

/** Text, or tokens, alone or many. */
const PROMPT_FORMS = 'a string, an array of strings, an array of token numbers, or an array of such arrays';

function isPrompt(value: unknown): boolean {
  if (typeof value === 'string') return true;
  if (!Array.isArray(value)) return false;
  return value.every(isString) || isTokens(value) || value.every(isTokens);
}

/** The same for those who read the API's description. */
const PROMPT_SHAPE = {
  description: PROMPT_FORMS,
  anyOf: [
    { type: 'string' as const },
    { type: 'array' as const, items: { type: 'string' as const } },
    { type: 'array' as const, items: { type: 'integer' as const } },
    {
      type: 'array' as const,
      items: { type: 'array' as const, items: { type: 'integer' as const } },
    },
  ],
};

const isString = (value: unknown) => typeof value === 'string';
const isTokens = (value: unknown) => Array.isArray(value) && value.every((item) => Number.isInteger(item));

/** The body of POST /v1/completions. */
export const CompletionRequest = z.looseObject({
  ...GENERATION,
  prompt: z.custom<unknown>((value) => isPrompt(value), `expected ${PROMPT_FORMS}`).meta(PROMPT_SHAPE),
  best_of: z.int().min(1).max(128).nullish(),
  echo: Flag,
  logprobs: Count,
  suffix: Text,
});
export type CompletionRequest = z.infer<typeof CompletionRequest>;

const INPUTS_MAX = 2_048;

const isEmptyItem = (value: unknown) => value === '' || (Array.isArray(value) && value.length === 0);

/** The body of POST /v1/embeddings. */
export const EmbeddingsRequest = z.looseObject({
  model: Model,
  input: z
    .custom<unknown>((value) => isPrompt(value), `expected ${PROMPT_FORMS}`)
    .refine(
      (value) => !isEmptyItem(value) && !(Array.isArray(value) && value.some(isEmptyItem)),
      'must not be empty',
    )
    .refine(
      (value) => !Array.isArray(value) || value.length <= INPUTS_MAX,
      `takes at most ${INPUTS_MAX} items`,
    )
    .meta(PROMPT_SHAPE),
  encoding_format: z.enum(['float', 'base64']).nullish(),
  dimensions: z.int().positive().nullish(),
  user: Text,
});
export type EmbeddingsRequest = z.infer<typeof EmbeddingsRequest>;
