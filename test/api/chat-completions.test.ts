import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { ChatCompletion } from 'openai/resources/chat/completions';
import { chat, startTestCitadel, type TestCitadel } from '../support/citadel.ts';
import { START_LIMIT_MS } from './setup.ts';

const ROUTE = '/v1/chat/completions';
const WHOLE_ONLY = 'sim:no-stream';

let citadel: TestCitadel;

beforeAll(async () => {
  citadel = await startTestCitadel({ models: ['sim-chat', WHOLE_ONLY, 'sim:context-length'] });
}, START_LIMIT_MS);
afterAll(() => citadel.stop());

async function ask(body: unknown, headers = {}): Promise<ChatCompletion> {
  const response = await citadel.post(ROUTE, body, { headers });
  expect(response.status).toBe(200);
  return (await response.json()) as ChatCompletion;
}

/** The body of the last call, as the model server got it. */
const lastBody = () => lastCall()?.body;
const lastHeaders = () => lastCall()?.headers ?? {};
const lastCall = () => citadel.model.requests.findLast(({ path }) => path === ROUTE);

describe('a whole answer', () => {
  test('has the shape of an OpenAI chat completion, its keys in the usual order', async () => {
    const answer = await ask(chat('sim-chat', 'How are you?'));

    expect(answer).toEqual({
      id: expect.stringMatching(/./),
      object: 'chat.completion',
      created: expect.any(Number),
      model: 'sim-chat',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: expect.stringContaining('How are you?'), refusal: null },
          logprobs: null,
          finish_reason: 'stop',
        },
      ],
      usage: { prompt_tokens: 3, completion_tokens: expect.any(Number), total_tokens: expect.any(Number) },
      system_fingerprint: 'citadel-demo',
    });
    expect(Object.keys(answer).slice(0, 6)).toEqual(['id', 'object', 'created', 'model', 'choices', 'usage']);
    expect(Object.keys(answer.choices[0] ?? {})).toEqual(['index', 'message', 'logprobs', 'finish_reason']);
  });

  test.each<Record<string, string>>([
    { traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', tracestate: 'a=1,b=2' },
    { traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00' },
  ])("is part of its caller's trace, also where Citadel takes no traces: %j", async (headers) => {
    await ask(chat('sim-chat'), headers);

    const { traceparent, tracestate } = lastHeaders();
    expect({ traceparent, tracestate }).toEqual({ tracestate: undefined, ...headers });
  });

  test.each(['00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7', 'x'.repeat(9_000), ''])(
    'a traceparent that is none does no harm, and goes no further',
    async (traceparent) => {
      await ask(chat('sim-chat'), { traceparent, tracestate: 'a=1' });

      expect(lastHeaders()).not.toHaveProperty('traceparent');
      expect(lastHeaders()).not.toHaveProperty('tracestate');
    },
  );

  test('says in its headers what the gateway did', async () => {
    const response = await citadel.post(ROUTE, chat('sim-chat'));
    await response.text();

    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'application/json; charset=utf-8',
      'x-request-id': expect.stringMatching(/^req_[0-9a-f]{24}$/),
      'openai-processing-ms': expect.stringMatching(/^\d+$/),
      'x-citadel-job-id': expect.stringMatching(/^job_[0-9a-f]{24}$/),
      'x-citadel-server': 'sim',
      'x-citadel-attempts': '1',
      'x-citadel-queue-ms': expect.stringMatching(/^\d+$/),
    });
    expect(response.headers.get('x-powered-by')).toBeNull();
  });

  test('gives each request an id of its own and logs the one that its client chose beside it', async () => {
    const headers = { 'x-client-request-id': 'mine-77' };
    const ids = await Promise.all(
      [1, 2].map(async () =>
        (await citadel.post(ROUTE, chat('sim-chat'), { headers })).headers.get('x-request-id'),
      ),
    );

    expect(new Set(ids).size).toBe(2);
    const logged = citadel.logLines.filter((line) => line.includes('"mine-77"'));
    expect(logged.map((line) => JSON.parse(line).request).sort()).toEqual([...ids].sort());
  });

  test('comes from a server that does not stream just as well', async () => {
    expect(await ask(chat(WHOLE_ONLY, 'How are you?'))).toMatchObject({
      object: 'chat.completion',
      choices: [{ message: { content: expect.stringContaining('How are you?') }, finish_reason: 'stop' }],
    });
  });

  test('has n choices in order, and usage that sums them up', async () => {
    const [one, two] = [await ask(chat('sim-chat')), await ask(chat('sim-chat', 'Hello', { n: 2 }))];

    expect(two.choices.map(({ index, finish_reason }) => [index, finish_reason])).toEqual([
      [0, 'stop'],
      [1, 'stop'],
    ]);
    expect(two.choices.map(({ message }) => message.content)).toEqual(
      Array(2).fill(one.choices[0]?.message.content),
    );
    expect(two.usage?.completion_tokens).toBe(2 * (one.usage?.completion_tokens ?? NaN));
  });

  test('says that it was cut at max_completion_tokens', async () => {
    const answer = await ask(chat('sim-chat', 'Hello', { max_completion_tokens: 3 }));

    expect(answer.choices[0]?.finish_reason).toBe('length');
    expect(answer.usage).toEqual({ prompt_tokens: 1, completion_tokens: 3, total_tokens: 4 });
  });

  test('has the log probabilities of all its tokens, put together from the stream', async () => {
    const answer = await ask(chat('sim-chat', 'Hello', { logprobs: true, top_logprobs: 2, max_tokens: 5 }));
    const [choice] = answer.choices;

    expect(choice?.logprobs?.content?.map(({ token }) => token).join('')).toBe(choice?.message.content);
    expect(choice?.logprobs?.content).toHaveLength(5);
    expect(choice?.logprobs?.content?.[0]?.top_logprobs).toHaveLength(2);
  });

  test('has the tool call that was asked for, its arguments whole JSON', async () => {
    const answer = await ask(chat('sim-chat', 'Weather in Rome?', WEATHER_TOOL));
    const [choice] = answer.choices;

    expect(choice).toMatchObject({
      finish_reason: 'tool_calls',
      message: {
        role: 'assistant',
        content: null,
        tool_calls: [{ id: expect.any(String), type: 'function', function: { name: 'get_weather' } }],
      },
    });
    const [call] = choice?.message.tool_calls ?? [];
    expect(call).not.toHaveProperty('index');
    expect(JSON.parse((call?.type === 'function' && call.function.arguments) || '')).toEqual({
      city: expect.any(String),
    });
  });

  test.each([
    ['any JSON', { type: 'json_object' }, { answer: expect.any(String) }],
    [
      'JSON of a schema',
      {
        type: 'json_schema',
        json_schema: {
          name: 'n',
          schema: { type: 'object', properties: { ok: { type: 'boolean' } }, required: ['ok'] },
        },
      },
      { ok: expect.any(Boolean) },
    ],
  ])('is %s where response_format says so', async (_, response_format, expected) => {
    const answer = await ask(chat('sim-chat', 'Hello', { response_format }));

    expect(JSON.parse(answer.choices[0]?.message.content ?? '')).toEqual(expected);
  });

  test('takes content parts: texts, images by data URL, audio and files', async () => {
    const image = { type: 'image_url', image_url: { url: `data:image/png;base64,${'A'.repeat(3_000)}` } };
    const audio = { type: 'input_audio', input_audio: { data: 'UklGRg==', format: 'wav' } };
    const file = { type: 'file', file: { file_data: 'JVBERi0=', filename: 'a.pdf' } };
    const content = [{ type: 'text', text: 'What is this?' }, image, audio, file];

    const answer = await ask({ model: 'sim-chat', messages: [{ role: 'user', content }] });

    expect(answer.choices[0]?.message.content).toContain('sent 1 image');
    expect(JSON.parse(lastBody() ?? '').messages).toEqual([{ role: 'user', content }]);
  });
});

describe("the caller's body", () => {
  // Every parameter of the API, in an order, with blanks, escapes and numbers that parsing would not keep.
  const BODY = String.raw`{
  "temperature" : 1.0, "model":"sim-chat","seed": 12345678901234567890,
  "messages":[ {"role":"system","content":"Caf\u00e9 \ud83d\ude00 \u0000","name":"s"},
    {"role":"user","content":"Hello"}, {"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},
    {"role":"tool","tool_call_id":"c","content":"5"}, {"role":"user","content":"a lone \ud800 surrogate","vendor":1e2} ],
  "top_p":0.10,"presence_penalty":-0,"frequency_penalty":1E-3,"max_completion_tokens":4,"n":1,"stop":["x","y"],
  "logit_bias":{"50256":-100},"user":"u","reasoning_effort":"low","service_tier":"auto","store":false,
  "parallel_tool_calls":true,"prediction":{"type":"content","content":"x"},"metadata":{"a":"b"},"modalities":["text"],
  "tools":[{"type":"function","function":{"name":"f","strict":true}}],"tool_choice":"auto",
  "x_vendor":{"nested":[1.50,{"deep":9007199254740993}]}, "guided_regex":"a+" , "top_k":-1,"min_p":0.05`;

  test('reaches the server byte for byte, but for the two members that make it stream', async () => {
    await ask(`${BODY} }`);

    expect(lastBody()).toBe(`${BODY},"stream":true,"stream_options":{"include_usage":true} }`);
  });

  test('reaches it unchanged where a stream with usage is what the caller wants', async () => {
    const body = `${BODY}, "stream" : true, "stream_options":{ "include_usage":true , "vendor":1 } }`;
    await (await citadel.post(ROUTE, body)).text();

    expect(lastBody()).toBe(body);
  });

  test('keeps what else its stream_options say', async () => {
    await (await citadel.post(ROUTE, `${BODY}, "stream":true,"stream_options":{"vendor":1} }`)).text();

    expect(lastBody()).toBe(`${BODY}, "stream":true,"stream_options":{"vendor":1,"include_usage":true} }`);
  });

  test("takes no key of the caller's to the server", async () => {
    await ask(chat('sim-chat'), {
      authorization: 'Bearer sk-caller',
      cookie: 'a=b',
      'openai-organization': 'org',
    });

    const { headers } = citadel.model.calls().at(-1) ?? {};
    expect(headers).not.toHaveProperty('authorization');
    expect(headers).not.toHaveProperty('cookie');
    expect(headers).toMatchObject({ 'content-type': 'application/json' });
  });
});

test("a server's 400 is the caller's to read, in the server's own words", async () => {
  const response = await citadel.post(ROUTE, chat('sim:context-length'));

  expect(response.status).toBe(400);
  expect(await response.json()).toEqual({
    error: {
      message: "This model's maximum context length is 4096 tokens.",
      type: 'invalid_request_error',
      param: 'messages',
      code: 'context_length_exceeded',
    },
  });
  expect(response.headers.get('x-citadel-attempts')).toBe('1');
});

const WEATHER_TOOL = {
  tools: [
    {
      type: 'function',
      function: {
        name: 'get_weather',
        parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
      },
    },
  ],
  tool_choice: 'required',
};
