import { describe, expect, test } from '@jest/globals';
import type { z } from 'zod';
import { ChatRequest, CompletionRequest, EmbeddingsRequest } from '../../../core/schemas/model-requests.ts';

const CHAT = { model: 'm', messages: [{ role: 'user', content: 'hi' }] };
const COMPLETION = { model: 'm', prompt: 'hi' };
const EMBEDDINGS = { model: 'm', input: 'hi' };

/** Values that are wrong for each kind of field. */
const NOT = {
  text: [5, true, [], {}],
  number: ['1', true, [], {}],
  count: ['1', -1, 1.5, true],
  positive: ['1', 0, 1.5, 129],
  flag: ['true', 1, [], {}],
  name: [null, '', 5, undefined, 'x'.repeat(257)],
  texts: [5, [5], {}, [null]],
  object: [5, 'x', true, [1]],
  choice: [5, true, [1]],
} as const;

const GENERATION = {
  model: NOT.name,
  stream: NOT.flag,
  stream_options: NOT.object,
  'stream_options.include_usage': NOT.flag,
  n: NOT.positive,
  max_tokens: NOT.count,
  temperature: NOT.number,
  top_p: NOT.number,
  presence_penalty: NOT.number,
  frequency_penalty: NOT.number,
  seed: NOT.number,
  stop: NOT.texts,
  logit_bias: NOT.object,
  'logit_bias.token': ['1', null, {}],
  user: NOT.text,
};

const WRONG_CHAT = {
  ...GENERATION,
  messages: [null, 'hi', {}, [], undefined],
  'messages.0': [null, 'hi', []],
  'messages.0.role': [null, '', 5, undefined],
  'messages.0.content': [5, {}, true, ['part'], [{}], [{ type: 5 }]],
  'messages.0.name': NOT.text,
  'messages.0.tool_call_id': NOT.text,
  'messages.0.tool_calls': [5, 'x', {}],
  'messages.0.tool_calls.0': [5, 'x', null],
  max_completion_tokens: NOT.count,
  logprobs: NOT.flag,
  top_logprobs: NOT.count,
  tools: [5, 'x', {}],
  'tools.0': [5, 'x', null],
  'tools.0.type': [5, null, undefined],
  tool_choice: NOT.choice,
  parallel_tool_calls: NOT.flag,
  functions: [5, 'x', {}],
  'functions.0.name': [5, null, undefined],
  function_call: NOT.choice,
  response_format: NOT.object,
  'response_format.type': [5, null, undefined],
  modalities: [5, 'text', {}],
  'modalities.0': [5, null],
  audio: NOT.object,
  prediction: NOT.object,
  metadata: NOT.object,
  reasoning_effort: NOT.text,
  service_tier: NOT.text,
  store: NOT.flag,
};

const WRONG_COMPLETION = {
  ...GENERATION,
  prompt: [5, null, {}, undefined, ['x', 5], [1.5], [[1], 'x'], [['x']]],
  best_of: NOT.positive,
  echo: NOT.flag,
  logprobs: NOT.count,
  suffix: NOT.text,
};

const TOO_MANY = Array.from({ length: 2_049 }, () => 'x');

const WRONG_EMBEDDINGS = {
  model: NOT.name,
  input: [5, null, {}, undefined, '', [], [''], ['x', ''], [[]], [[1], []], ['x', 5], [1.5], TOO_MANY],
  encoding_format: ['hex', 5],
  dimensions: ['1', 0, -1, 1.5],
  user: NOT.text,
};

const TABLES: [string, z.ZodType, object, Record<string, readonly unknown[]>][] = [
  ['chat', ChatRequest, CHAT, WRONG_CHAT],
  ['completion', CompletionRequest, COMPLETION, WRONG_COMPLETION],
  ['embeddings', EmbeddingsRequest, EMBEDDINGS, WRONG_EMBEDDINGS],
];

/** A copy of `body` with `value` at the dotted path, lists and objects made on the way. */
function withValue(body: object, path: string, value: unknown): object {
  const copy = structuredClone(body);
  const parts = path.split('.');
  let at = copy as Record<string, unknown>;
  for (const [index, part] of parts.slice(0, -1).entries()) {
    at[part] ??= /^\d+$/.test(parts[index + 1] ?? '') ? [] : {};
    at = at[part] as Record<string, unknown>;
  }
  at[parts.at(-1) ?? ''] = value;
  return copy;
}

describe.each(TABLES)('a %s request', (_, schema, body, wrong) => {
  test.each(Object.keys(wrong))('with a wrong %s has that one issue', (path) => {
    for (const value of wrong[path] ?? []) {
      const { error } = schema.safeParse(withValue(body, path, value));
      expect({ value, paths: error?.issues.map((issue) => issue.path.join('.')) }).toEqual({
        value,
        paths: [path],
      });
    }
  });

  test('has a case in the table above for each of its fields', () => {
    const fields = Object.keys((schema as unknown as { shape: object }).shape);

    expect(fields.filter((field) => !(field in wrong))).toEqual([]);
  });

  test('may have null for whatever it may leave out', () => {
    const fields = Object.keys(wrong).filter((path) => !path.includes('.') && !(path in body));
    const nulls = Object.fromEntries(fields.map((field) => [field, null]));

    expect(schema.safeParse({ ...body, ...nulls }).data).toEqual({ ...body, ...nulls });
  });

  test('passes unchanged with parameters that nobody knows', () => {
    const vendors = { top_k: 5, guided_json: { type: 'object' }, mystery: [null, { deep: [1] }] };

    expect(schema.safeParse({ ...body, ...vendors }).data).toEqual({ ...body, ...vendors });
  });
});

describe('a valid request passes unchanged', () => {
  test.each([
    [
      'no content',
      { messages: [{ role: 'assistant', content: null, tool_calls: [{ id: 'c', custom: {} }] }] },
    ],
    [
      'image parts',
      { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'x' } }] }] },
    ],
    ['a role of a vendor', { messages: [{ role: 'ipython', content: 'x', weight: 1 }] }],
    ['ranges that are for the server to judge', { temperature: 99, top_p: -1, seed: -5, max_tokens: 0 }],
    ['a seed of many digits', { seed: 1e20 }],
    ['one stop', { stop: '\n' }],
    ['many stops', { stop: ['a', 'b'] }],
    ['a tool by name', { tool_choice: { type: 'function', function: { name: 'f' } } }],
    ['a tool of a vendor', { tools: [{ type: 'web_search', depth: 2 }], tool_choice: 'auto' }],
    ['a schema', { response_format: { type: 'json_schema', json_schema: { name: 's', schema: {} } } }],
  ])('a chat with %s', (_, fields) => {
    expect(ChatRequest.safeParse({ ...CHAT, ...fields }).data).toEqual({ ...CHAT, ...fields });
  });

  test.each([['text'], [''], [['a', 'b']], [[1, 2]], [[[1, 2], [3]]]])('a completion of %j', (prompt) => {
    expect(CompletionRequest.safeParse({ ...COMPLETION, prompt }).data).toEqual({ ...COMPLETION, prompt });
  });

  test.each([['text'], [['a', 'b']], [[1, 2]], [[[1, 2], [3]]], [TOO_MANY.slice(1)]])(
    'embeddings of %j',
    (input) => {
      expect(EmbeddingsRequest.safeParse({ ...EMBEDDINGS, input }).data).toEqual({ ...EMBEDDINGS, input });
    },
  );
});
