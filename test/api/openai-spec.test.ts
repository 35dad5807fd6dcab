import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { chat, readEvents, startTestCitadel, type TestCitadel } from '../support/citadel.ts';
import { START_LIMIT_MS } from './setup.ts';

/** OpenAI's description of its API, which is not a part of this repository. */
const SPEC = fileURLToPath(new URL('../../../shared/specs/openai.openapi.json', import.meta.url));

const describeWithSpec = existsSync(SPEC) ? describe : describe.skip;
if (!existsSync(SPEC)) test.skip(`needs OpenAI's description of its API at ${SPEC}`, () => {});

let citadel: TestCitadel;
let validators: ReturnType<typeof createValidators>;

beforeAll(async () => {
  if (!existsSync(SPEC)) return;
  validators = createValidators();
  citadel = await startTestCitadel({
    models: ['sim-chat', 'sim-embed', 'sim:no-stream', 'sim:error-500', 'sim:bad-request'],
    env: { CITADEL_LIMITS_BODY_BYTES: '4096' },
  });
}, START_LIMIT_MS);
afterAll(() => citadel?.stop());

function createValidators() {
  const ajv = new Ajv2020({ strict: false, allErrors: true, schemas: [readSpec()] });
  formats.default(ajv);
  for (const name of ['unixtime', 'float']) ajv.addFormat(name, true);
  const cache = new Map<string, ValidateFunction>();
  return (name: string): ValidateFunction => {
    const known = cache.get(name) ?? ajv.compile({ $ref: `openai#/components/schemas/${name}` });
    cache.set(name, known);
    return known;
  };
}

/** The document, with `CompletionChunk` added: OpenAI says that the chunks of a legacy completion have the schema of
 *  the whole, which forgets that finish_reason and usage are null in all but the last. */
function readSpec() {
  const spec = JSON.parse(readFileSync(SPEC, 'utf8'), nullableToUnion);
  const { schemas } = spec.components;
  const chunk = structuredClone(schemas.CreateCompletionResponse);
  chunk.properties.usage = orNull(chunk.properties.usage);
  const choice = chunk.properties.choices.items.properties;
  choice.finish_reason = orNull(choice.finish_reason);
  schemas.CompletionChunk = chunk;
  return { $id: 'openai', ...spec };
}

const orNull = (schema: object) => ({ anyOf: [schema, { type: 'null' }] });

// The document uses OpenAPI 3.0's word in places, which JSON Schema does not have.
function nullableToUnion(_name: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('nullable' in value)) return value;
  const { nullable, ...schema } = value;
  return nullable === true ? orNull(schema) : value;
}

function expectValid(schema: string, value: unknown): void {
  const validate = validators(schema);
  validate(value);
  const faults = validate.errors?.map(({ instancePath, message }) => `${instancePath} ${message}`) ?? [];
  expect({ schema, faults }).toEqual({ schema, faults: [] });
}

const TOOLS = {
  tools: [
    {
      type: 'function',
      function: {
        name: 'f',
        parameters: { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] },
      },
    },
  ],
  tool_choice: 'required',
};

const CHATS: [string, object][] = [
  ['plain', chat('sim-chat')],
  ['n', chat('sim-chat', 'Hello', { n: 2 })],
  ['tools', chat('sim-chat', 'Hello', TOOLS)],
  ['logprobs', chat('sim-chat', 'Hello', { logprobs: true, top_logprobs: 3 })],
  ['logprobs without alternatives', chat('sim-chat', 'Hello', { logprobs: true })],
  ['cut', chat('sim-chat', 'Hello', { max_completion_tokens: 2 })],
  ['nothing', chat('sim-chat', 'Hello', { max_completion_tokens: 0 })],
  ['JSON', chat('sim-chat', 'Hello', { response_format: { type: 'json_object' } })],
  ['from a server that does not stream', chat('sim:no-stream', 'Hello', TOOLS)],
];

const COMPLETIONS: [string, object][] = [
  ['plain', { model: 'sim-chat', prompt: 'Once' }],
  ['many', { model: 'sim-chat', prompt: ['a', 'b'], n: 2, echo: true }],
  ['logprobs', { model: 'sim-chat', prompt: 'Once', logprobs: 3 }],
  ['from a server that does not stream', { model: 'sim:no-stream', prompt: 'Once' }],
];

async function answerTo(path: string, body: object): Promise<unknown> {
  const response = await citadel.post(path, body);
  expect(response.status).toBe(200);
  return await response.json();
}

async function chunksOf(path: string, body: object): Promise<{ choices: unknown[]; usage?: unknown }[]> {
  const response = await citadel.post(path, {
    ...body,
    stream: true,
    stream_options: { include_usage: true },
  });
  const events = readEvents(await response.text());
  expect(events.pop()).toBe('[DONE]');
  return events.map((event) => JSON.parse(event));
}

describeWithSpec("OpenAI's description of its API fits", () => {
  test.each([
    'CreateChatCompletionResponse',
    'CreateChatCompletionStreamResponse',
    'CompletionChunk',
    'ErrorResponse',
  ])('not everything: %s', (schema) => {
    expect(validators(schema)({ id: 'x', object: 'wrong', error: { message: 'x' } })).toBe(false);
  });

  test.each(CHATS)('a chat: %s', async (_, body) => {
    expectValid('CreateChatCompletionResponse', await answerTo('/v1/chat/completions', body));
  });

  test.each(CHATS)('the chunks of a streamed chat, usage included: %s', async (_, body) => {
    const chunks = await chunksOf('/v1/chat/completions', body);

    expect(chunks.length).toBeGreaterThan(1);
    for (const chunk of chunks) expectValid('CreateChatCompletionStreamResponse', chunk);
    expectValid('CompletionUsage', chunks.at(-1)?.usage);
  });

  test.each(COMPLETIONS)('a completion: %s', async (_, body) => {
    expectValid('CreateCompletionResponse', await answerTo('/v1/completions', body));
  });

  test.each(COMPLETIONS)('the chunks of a streamed completion, usage included: %s', async (_, body) => {
    const chunks = await chunksOf('/v1/completions', body);

    expect(chunks.length).toBeGreaterThan(1);
    for (const chunk of chunks) expectValid('CompletionChunk', chunk);
    expectValid('CompletionUsage', chunks.at(-1)?.usage);
  });

  test.each([
    ['a string', 'Hello'],
    ['many', ['a', 'b']],
    ['tokens', [[1, 2], [3]]],
  ])('embeddings: %s', async (_, input) => {
    expectValid('CreateEmbeddingResponse', await answerTo('/v1/embeddings', { model: 'sim-embed', input }));
  });

  test('the list of models, and one of them', async () => {
    expectValid('ListModelsResponse', await (await citadel.get('/v1/models')).json());
    expectValid('Model', await (await citadel.get('/v1/models/sim-chat')).json());
  });

  test.each<[number, string, unknown]>([
    [400, '/v1/chat/completions', '{'],
    [400, '/v1/chat/completions', chat('sim-chat', 'Hello', { n: 'two' })],
    [400, '/v1/chat/completions', chat('sim:bad-request')],
    [404, '/v1/chat/completions', chat('gpt-9')],
    [404, '/v1/nothing', {}],
    [405, '/v1/models', {}],
    [413, '/v1/embeddings', { model: 'sim-embed', input: 'a'.repeat(5_000) }],
    [502, '/v1/chat/completions', chat('sim:error-500')],
  ])('an error with status %d of %s', async (status, path, body) => {
    const response = await citadel.post(path, body);

    expect(response.status).toBe(status);
    expectValid('ErrorResponse', await response.json());
  });
});
