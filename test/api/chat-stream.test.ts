import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { ChatCompletionChunk } from 'openai/resources/chat/completions';
import { chat, readEvents, startTestCitadel, type TestCitadel } from '../support/citadel.ts';
import { START_LIMIT_MS } from './setup.ts';

const ROUTE = '/v1/chat/completions';
// 10 s of tokens.
const SLOW = 'sim:token=50+tokens=200';
const WHOLE_ONLY = 'sim:no-stream';
const SPLIT = 'sim:crlf';

let citadel: TestCitadel;

beforeAll(async () => {
  citadel = await startTestCitadel({
    models: ['sim-chat', SLOW, WHOLE_ONLY, SPLIT, 'sim:stall', 'sim:cut-stream', 'sim:error-event'],
    env: { CITADEL_LIMITS_IDLE_MS: '1500' },
  });
}, START_LIMIT_MS);
afterAll(() => citadel.stop());

interface Streamed {
  headers: Headers;
  text: string;
  chunks: ChatCompletionChunk[];
}

async function stream(model: string, content = 'Hello', rest = {}): Promise<Streamed> {
  const response = await citadel.post(ROUTE, chat(model, content, { stream: true, ...rest }));
  expect(response.status).toBe(200);
  const text = await response.text();
  const events = readEvents(text);
  expect(events.at(-1)).toBe('[DONE]');
  return { headers: response.headers, text, chunks: events.slice(0, -1).map((event) => JSON.parse(event)) };
}

const textOf = (chunks: ChatCompletionChunk[], index = 0) =>
  chunks
    .flatMap(({ choices }) => choices.filter((choice) => choice.index === index))
    .map(({ delta }) => delta.content ?? '')
    .join('');

async function wholeText(model: string, content: string): Promise<string> {
  const response = await citadel.post(ROUTE, chat(model, content));
  const { choices } = (await response.json()) as { choices: { message: { content: string } }[] };
  return choices[0]?.message.content ?? '';
}

describe('a stream', () => {
  test('says in its headers what it is and what the gateway did', async () => {
    const { headers } = await stream('sim-chat');

    expect(Object.fromEntries(headers)).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      'x-request-id': expect.stringMatching(/^req_/),
      'openai-processing-ms': expect.stringMatching(/^\d+$/),
      'x-citadel-job-id': expect.stringMatching(/^job_/),
      'x-citadel-server': 'sim',
      'x-citadel-attempts': '1',
      'x-citadel-queue-ms': expect.stringMatching(/^\d+$/),
    });
  });

  test('is data lines only, one blank line behind each, and nothing after [DONE]', async () => {
    const { text } = await stream('sim-chat');

    expect(text).toMatch(/^(data: \{[^\n]*\}\n\n)+data: \[DONE\]\n\n$/);
  });

  test('has the same id, created, model and object in each chunk', async () => {
    const { chunks } = await stream('sim-chat');
    const heads = chunks.map(({ id, created, model, object }) =>
      JSON.stringify({ id, created, model, object }),
    );

    expect(chunks.length).toBeGreaterThan(3);
    expect(new Set(heads).size).toBe(1);
    expect(chunks[0]).toMatchObject({
      model: 'sim-chat',
      object: 'chat.completion.chunk',
      created: expect.any(Number),
    });
  });

  test('has the role in its first delta only, and one finish_reason, in its last chunk', async () => {
    const { chunks } = await stream('sim-chat');
    const choices = chunks.map(({ choices: [choice] }) => choice);

    expect(choices.map((choice) => choice?.delta.role)).toEqual(['assistant', ...Array(choices.length - 1)]);
    expect(choices.map((choice) => choice?.finish_reason)).toEqual([
      ...Array(choices.length - 1).fill(null),
      'stop',
    ]);
  });

  test('says what the whole answer says', async () => {
    const { chunks } = await stream('sim-chat', 'Grüße, 世界 😀');

    expect(textOf(chunks)).toBe(await wholeText('sim-chat', 'Grüße, 世界 😀'));
    expect(textOf(chunks)).toContain('Grüße, 世界 😀');
  });

  test('has no usage chunk unless it was asked for', async () => {
    const { chunks } = await stream('sim-chat');

    expect(chunks.filter(({ choices, usage }) => choices.length === 0 || usage)).toEqual([]);
  });

  test('ends with one usage chunk without choices where it was asked for, usage null before', async () => {
    const { chunks } = await stream('sim-chat', 'Hello', {
      stream_options: { include_usage: true },
      max_tokens: 4,
    });

    expect(chunks.at(-1)).toMatchObject({
      choices: [],
      usage: { prompt_tokens: 1, completion_tokens: 4, total_tokens: 5 },
    });
    expect(chunks.slice(0, -1).map(({ usage }) => usage)).toEqual(Array(chunks.length - 1).fill(null));
  });

  test('of n choices keeps them apart, each with its role, text and end', async () => {
    const { chunks } = await stream('sim-chat', 'Hello', { n: 2 });
    const of = (index: number) =>
      chunks.flatMap(({ choices }) => choices.filter((choice) => choice.index === index));

    for (const index of [0, 1]) {
      expect(of(index)[0]?.delta.role).toBe('assistant');
      expect(of(index).filter(({ finish_reason }) => finish_reason !== null)).toHaveLength(1);
      expect(textOf(chunks, index)).toBe(await wholeText('sim-chat', 'Hello'));
    }
  });

  test('has each token with its log probability', async () => {
    const { chunks } = await stream('sim-chat', 'Hello', { logprobs: true, top_logprobs: 2 });
    const listed = chunks.flatMap(({ choices }) =>
      choices.flatMap(({ logprobs }) => logprobs?.content ?? []),
    );

    expect(listed.map(({ token }) => token).join('')).toBe(textOf(chunks));
    expect(listed.every(({ top_logprobs }) => top_logprobs.length === 2)).toBe(true);
  });

  test('has a tool call in pieces: name and id once, arguments that join to JSON', async () => {
    const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
    const { chunks } = await stream('sim-chat', 'Weather?', {
      tools: [{ type: 'function', function: { name: 'get_weather', parameters } }],
      tool_choice: { type: 'function', function: { name: 'get_weather' } },
    });
    const calls = chunks.flatMap(({ choices }) => choices[0]?.delta.tool_calls ?? []);

    expect(new Set(calls.map(({ index }) => index))).toEqual(new Set([0]));
    expect(calls.filter(({ id }) => id !== undefined)).toHaveLength(1);
    expect(calls.filter(({ function: called }) => called?.name !== undefined)).toHaveLength(1);
    expect(JSON.parse(calls.map(({ function: called }) => called?.arguments).join(''))).toEqual({
      city: expect.any(String),
    });
    expect(chunks.at(-1)?.choices[0]?.finish_reason).toBe('tool_calls');
  });

  test('is the same where its server sends CRLF, comments and split characters', async () => {
    const { text, chunks } = await stream(SPLIT, 'Grüße 😀');

    expect(text).not.toMatch(/\r|ping/);
    expect(textOf(chunks)).toContain('Grüße 😀');
  });

  test('is made of the whole answer of a server that does not stream', async () => {
    const { chunks } = await stream(WHOLE_ONLY, 'Hello', { stream_options: { include_usage: true } });

    expect(chunks[0]?.choices[0]).toMatchObject({ delta: { role: 'assistant' } });
    expect(textOf(chunks)).toBe(await wholeText(WHOLE_ONLY, 'Hello'));
    expect(
      chunks.flatMap(({ choices }) => choices.filter(({ finish_reason }) => finish_reason)),
    ).toHaveLength(1);
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { prompt_tokens: 1 } });
  });

  test('brings each token when the server has it, long before the answer ends', async () => {
    const leave = new AbortController();
    const body = chat(SLOW, 'Hello', { stream: true });
    const response = await citadel.post(ROUTE, body, { signal: leave.signal });
    const call = citadel.model.requests.findLast(({ model }) => model === SLOW);
    const arrived: boolean[] = [];
    for await (const _ of response.body ?? []) {
      arrived.push(call?.finished === false);
      if (arrived.length === 5) break;
    }
    leave.abort();

    expect(arrived).toEqual([true, true, true, true, true]);
  });
});

describe('a stream that fails', () => {
  async function fail(model: string): Promise<string[]> {
    const response = await citadel.post(ROUTE, chat(model, 'Hello', { stream: true }));
    expect(response.status).toBe(200);
    return readEvents(await response.text());
  }

  test.each(['sim:stall', 'sim:cut-stream'])(
    'half-way ends with one error event and without [DONE]: %s',
    async (model) => {
      const events = await fail(model);

      expect(events.length).toBeGreaterThan(2);
      expect(events).not.toContain('[DONE]');
      const errors = events.map((event) => JSON.parse(event).error).filter(Boolean);
      expect(errors).toEqual([
        { message: expect.any(String), type: 'server_error', param: null, code: expect.any(String) },
      ]);
      expect(JSON.parse(events.at(-1) ?? '')).toHaveProperty('error');
    },
  );

  test('before its first token is an error answer, not a stream', async () => {
    const response = await citadel.post(ROUTE, chat('sim:error-event', 'Hello', { stream: true }));

    expect(response.status).toBe(502);
    expect(response.headers.get('content-type')).toContain('application/json');
    expect(await response.json()).toMatchObject({ error: { code: 'bad_backend', param: null } });
  });
});
