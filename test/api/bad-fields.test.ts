import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { chat, startTestCitadel, type TestCitadel } from '../support/citadel.ts';
import { errorOf, START_LIMIT_MS } from './setup.ts';

let citadel: TestCitadel;

beforeAll(async () => {
  citadel = await startTestCitadel();
}, START_LIMIT_MS);
afterAll(() => citadel.stop());
afterEach(async () => {
  const next = await citadel.post('/v1/chat/completions', chat('sim-chat'));
  expect(next.status).toBe(200);
  await next.text();
});

/** Wrong values by the field that the answer must name. */
type WrongFields = Record<string, object[]>;

const WRONG_GENERATION: WrongFields = {
  model: [{ model: undefined }, { model: null }, { model: 5 }, { model: '' }, { model: 'm'.repeat(257) }],
  stream: [{ stream: 'yes' }, { stream: 1 }],
  stream_options: [{ stream_options: 5 }, { stream_options: [] }],
  'stream_options.include_usage': [{ stream_options: { include_usage: 'yes' } }],
  n: [{ n: 'x' }, { n: 0 }, { n: 1.5 }, { n: 129 }],
  max_tokens: [{ max_tokens: 'x' }, { max_tokens: -1 }, { max_tokens: 1.5 }],
  temperature: [{ temperature: 'hot' }, { temperature: [] }],
  top_p: [{ top_p: 'x' }],
  presence_penalty: [{ presence_penalty: 'x' }],
  frequency_penalty: [{ frequency_penalty: {} }],
  seed: [{ seed: 'x' }],
  stop: [{ stop: 5 }, { stop: [5] }, { stop: {} }],
  logit_bias: [{ logit_bias: 'x' }, { logit_bias: [] }],
  'logit_bias.5': [{ logit_bias: { 5: 'x' } }],
  user: [{ user: 5 }],
};

const messagesOf = (message: unknown) => ({ messages: [{ role: 'user', content: 'x' }, message] });

const WRONG_CHAT: WrongFields = {
  ...WRONG_GENERATION,
  messages: [
    { messages: undefined },
    { messages: null },
    { messages: 'x' },
    { messages: {} },
    { messages: [] },
  ],
  'messages[1]': [messagesOf(5), messagesOf(null), messagesOf([])],
  'messages[1].role': [messagesOf({}), messagesOf({ role: 5 }), messagesOf({ role: '' })],
  'messages[1].content': [
    messagesOf({ role: 'user', content: 5 }),
    messagesOf({ role: 'user', content: {} }),
    messagesOf({ role: 'user', content: ['x'] }),
    messagesOf({ role: 'user', content: [{ text: 'x' }] }),
  ],
  'messages[1].name': [messagesOf({ role: 'user', content: 'x', name: 5 })],
  'messages[1].tool_call_id': [messagesOf({ role: 'tool', content: 'x', tool_call_id: 5 })],
  'messages[1].tool_calls': [messagesOf({ role: 'assistant', tool_calls: 'x' })],
  'messages[1].tool_calls[0]': [messagesOf({ role: 'assistant', tool_calls: [5] })],
  max_completion_tokens: [{ max_completion_tokens: 'x' }, { max_completion_tokens: -1 }],
  logprobs: [{ logprobs: 5 }],
  top_logprobs: [{ top_logprobs: 'x' }, { top_logprobs: -1 }],
  tools: [{ tools: 'x' }, { tools: {} }],
  'tools[0]': [{ tools: [5] }],
  'tools[0].type': [{ tools: [{}] }],
  tool_choice: [{ tool_choice: 5 }, { tool_choice: [] }],
  parallel_tool_calls: [{ parallel_tool_calls: 'x' }],
  functions: [{ functions: 'x' }],
  'functions[0].name': [{ functions: [{}] }],
  function_call: [{ function_call: 5 }],
  response_format: [{ response_format: 'json' }, { response_format: [] }],
  'response_format.type': [{ response_format: {} }, { response_format: { type: 5 } }],
  modalities: [{ modalities: 'text' }],
  'modalities[0]': [{ modalities: [5] }],
  audio: [{ audio: 'x' }],
  prediction: [{ prediction: 'x' }],
  metadata: [{ metadata: 'x' }, { metadata: [] }],
  reasoning_effort: [{ reasoning_effort: 5 }],
  service_tier: [{ service_tier: 5 }],
  store: [{ store: 'x' }],
};

const WRONG_COMPLETION: WrongFields = {
  ...WRONG_GENERATION,
  prompt: [
    { prompt: undefined },
    { prompt: 5 },
    { prompt: {} },
    { prompt: [1.5] },
    { prompt: ['a', 1] },
    { prompt: [['a']] },
    { prompt: [{}] },
  ],
  best_of: [{ best_of: 0 }, { best_of: 'x' }, { best_of: 129 }, { best_of: 2, stream: true }],
  echo: [{ echo: 'x' }],
  logprobs: [{ logprobs: true }, { logprobs: -1 }],
  suffix: [{ suffix: 5 }],
};

const WRONG_EMBEDDINGS: WrongFields = {
  model: WRONG_GENERATION.model ?? [],
  input: [{ input: 5 }, { input: [{}] }, { input: [[1, 'a']] }, { input: [null] }],
  encoding_format: [{ encoding_format: 5 }, { encoding_format: 'hex' }],
  dimensions: [{ dimensions: 0 }, { dimensions: 'x' }, { dimensions: 1.5 }],
  user: [{ user: 5 }],
};

describe.each([
  ['/v1/chat/completions', chat('sim-chat'), WRONG_CHAT],
  ['/v1/completions', { model: 'sim-chat', prompt: 'x' }, WRONG_COMPLETION],
  ['/v1/embeddings', { model: 'sim-embed', input: 'x' }, WRONG_EMBEDDINGS],
])('a wrong field of %s', (route, right, wrongFields) => {
  const rows = Object.entries(wrongFields).flatMap(([param, wrongs]) =>
    wrongs.map((wrong) => ({ param, wrong, said: JSON.stringify(wrong).slice(0, 60) })),
  );

  test.each(rows)('is a 400 that names $param, and calls no server: $said', async ({ param, wrong }) => {
    const { length } = citadel.model.requests;
    const response = await citadel.post(route, { ...right, ...wrong });

    expect(response.status).toBe(400);
    expect(await response.json()).toEqual(
      errorOf('invalid_request', { param, message: new RegExp(`^'${param.replace(/[[\].]/g, '\\$&')}'`) }),
    );
    expect(response.headers.get('x-request-id')).toMatch(/^req_/);
    expect(response.headers.get('openai-processing-ms')).toMatch(/^\d+$/);
    expect(citadel.model.requests).toHaveLength(length);
  });
});

test.each([
  ['/v1/chat/completions', chat('sim-chat'), WRONG_CHAT],
  ['/v1/completions', { model: 'sim-chat', prompt: 'x' }, WRONG_COMPLETION],
  ['/v1/embeddings', { model: 'sim-embed', input: 'x' }, WRONG_EMBEDDINGS],
])('null stands for an optional field that is left out: %s', async (route, right, wrongFields) => {
  const optional = Object.keys(wrongFields).filter((name) => !/[.[]/.test(name) && !(name in right));
  const nulls = Object.fromEntries(optional.map((name) => [name, null]));
  const response = await citadel.post(route, { ...right, ...nulls });

  expect(response.status).toBe(200);
  await response.text();
});
