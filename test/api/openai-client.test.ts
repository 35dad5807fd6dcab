import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import OpenAI from 'openai';
import { startTestCitadel, type TestCitadel } from '../support/citadel.ts';
import { waitFor } from '../support/wait-for.ts';
import { START_LIMIT_MS } from './setup.ts';

const KEY = 'sk-test-openai-client';
const SLOW = 'sim:token=50+tokens=200';
const HELLO = [{ role: 'user' as const, content: 'Hello' }];
const TOOL = {
  type: 'function' as const,
  function: {
    name: 'get_weather',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
};

let citadel: TestCitadel;
let client: OpenAI;

beforeAll(async () => {
  citadel = await startTestCitadel({
    models: ['sim-chat', 'sim-embed', SLOW, 'sim:cut-stream', 'sim:error-500', 'org/model:7b'],
    env: { CITADEL_API_KEYS: `tester:user:${KEY}` },
  });
  client = newClient(KEY);
}, START_LIMIT_MS);
afterAll(() => citadel.stop());

function newClient(apiKey: string): OpenAI {
  return new OpenAI({ apiKey, baseURL: `${citadel.url}/v1`, maxRetries: 0 });
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

/** What `call` throws. */
async function failureOf(call: Promise<unknown>): Promise<unknown> {
  return await call.then(
    () => null,
    (error: unknown) => error,
  );
}

describe("OpenAI's own client", () => {
  test('chats, and can name the request', async () => {
    const answer = await client.chat.completions.create({ model: 'sim-chat', messages: HELLO });

    expect(answer.choices[0]?.message.content).toContain('Hello');
    expect(answer.usage?.total_tokens).toBeGreaterThan(0);
    expect(answer._request_id).toMatch(/^req_/);
  });

  test('streams', async () => {
    const stream = await client.chat.completions.create({ model: 'sim-chat', messages: HELLO, stream: true });
    let text = '';
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';

    expect(text).toContain('Hello');
  });

  test('gets the usage of a stream', async () => {
    const stream = await client.chat.completions.create({
      model: 'sim-chat',
      messages: HELLO,
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks = await collect(stream);

    expect(chunks.at(-1)?.usage).toMatchObject({ prompt_tokens: 1 });
    expect(chunks.at(-1)?.choices).toEqual([]);
  });

  test('puts a streamed answer and its tool calls together', async () => {
    const runner = client.chat.completions.stream({
      model: 'sim-chat',
      messages: HELLO,
      tools: [TOOL],
      tool_choice: 'required',
    });
    const message = await runner.finalMessage();

    const [call] = message.tool_calls ?? [];
    expect(call).toMatchObject({ type: 'function', function: { name: 'get_weather' } });
    expect(JSON.parse((call?.type === 'function' && call.function.arguments) || '')).toEqual({
      city: expect.any(String),
    });
  });

  test('has tools called and their results taken', async () => {
    const asked = await client.chat.completions.create({
      model: 'sim-chat',
      messages: HELLO,
      tools: [TOOL],
      tool_choice: 'required',
    });
    const [choice] = asked.choices;
    if (!choice) throw new Error('no choice');
    const id = choice.message.tool_calls?.[0]?.id ?? '';
    const answered = await client.chat.completions.create({
      model: 'sim-chat',
      messages: [...HELLO, choice.message, { role: 'tool', tool_call_id: id, content: 'sunny' }],
      tools: [TOOL],
    });

    expect(choice.finish_reason).toBe('tool_calls');
    expect(answered.choices[0]?.finish_reason).toBe('stop');
  });

  test('completes', async () => {
    const answer = await client.completions.create({ model: 'sim-chat', prompt: 'Once' });
    const stream = await client.completions.create({ model: 'sim-chat', prompt: 'Once', stream: true });
    const chunks = await collect(stream);

    expect(chunks.map(({ choices }) => choices[0]?.text).join('')).toBe(answer.choices[0]?.text);
  });

  test('embeds: by its default, base64, as well as with floats', async () => {
    const params = { model: 'sim-embed', input: ['Hello', 'there'] };
    const plain = await client.embeddings.create(params);
    const floats = await client.embeddings.create({ ...params, encoding_format: 'float' });

    expect(citadel.model.requests.at(-2)?.body).toContain('"encoding_format":"base64"');
    expect(plain.data.map(({ embedding }) => [...embedding])).toEqual(
      floats.data.map(({ embedding }) => embedding),
    );
  });

  test('lists the models and retrieves one whose id holds a slash and a colon', async () => {
    const ids = (await collect(client.models.list())).map(({ id }) => id);

    expect(ids).toContain('org/model:7b');
    expect(await client.models.retrieve('org/model:7b')).toMatchObject({
      id: 'org/model:7b',
      object: 'model',
    });
  });
});

describe('its errors', () => {
  const chatWith = (fields: object, from = client) =>
    from.chat.completions.create({ model: 'sim-chat', messages: HELLO, ...fields });

  test('a model that there is not is a NotFoundError', async () => {
    const error = await failureOf(chatWith({ model: 'gpt-9' }));

    expect(error).toBeInstanceOf(OpenAI.NotFoundError);
    expect(error).toMatchObject({ status: 404, code: 'model_not_found', param: 'model' });
    expect(error).toMatchObject({ requestID: expect.stringMatching(/^req_/) });
    expect(await failureOf(client.models.retrieve('gpt-9'))).toBeInstanceOf(OpenAI.NotFoundError);
  });

  test('a wrong field is a BadRequestError that names it', async () => {
    const error = await failureOf(chatWith({ temperature: 'hot' }));

    expect(error).toBeInstanceOf(OpenAI.BadRequestError);
    expect(error).toMatchObject({ status: 400, type: 'invalid_request_error', param: 'temperature' });
  });

  test('a wrong key is an AuthenticationError', async () => {
    const error = await failureOf(chatWith({}, newClient('sk-wrong')));

    expect(error).toBeInstanceOf(OpenAI.AuthenticationError);
    expect(error).toMatchObject({ status: 401, code: 'invalid_api_key' });
  });

  test('a server that fails is an InternalServerError', async () => {
    const error = await failureOf(chatWith({ model: 'sim:error-500' }));

    expect(error).toBeInstanceOf(OpenAI.InternalServerError);
    expect(error).toMatchObject({ status: 502, code: 'bad_backend' });
  });

  test('a stream that breaks throws, after the tokens that came', async () => {
    const stream = await client.chat.completions.create({
      model: 'sim:cut-stream',
      messages: HELLO,
      stream: true,
    });
    let text = '';
    const error = await failureOf(
      (async () => {
        for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
      })(),
    );

    expect(text).not.toBe('');
    expect(error).toBeInstanceOf(OpenAI.APIError);
    expect(error).toMatchObject({ code: 'bad_backend', type: 'server_error' });
  });
});

describe('a client that leaves', () => {
  test('in the middle of a stream makes the model server stop at once', async () => {
    const stream = await client.chat.completions.create({ model: SLOW, messages: HELLO, stream: true });
    for await (const _ of stream) break;

    const call = await waitFor(
      () => citadel.model.requests.find(({ model, aborted }) => model === SLOW && aborted),
      'the end of the call to the server',
    );
    expect(call.finished).toBe(false);
    expect(citadel.model.openCalls()).toBe(0);
  });

  test('before the answer is there makes the model server stop at once', async () => {
    const controller = new AbortController();
    const { length } = citadel.model.calls();
    const asked = client.chat.completions.create(
      { model: SLOW, messages: HELLO },
      { signal: controller.signal },
    );
    const failure = failureOf(asked);
    const call = await waitFor(
      () =>
        citadel.model
          .calls()
          .slice(length)
          .find(({ model }) => model === SLOW),
      'the call to the server',
    );
    controller.abort();

    expect(await failure).toBeInstanceOf(OpenAI.APIUserAbortError);
    await waitFor(() => call.aborted, 'the end of the call to the server');
  });
});
