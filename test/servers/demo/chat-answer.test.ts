import { describe, expect, test } from '@jest/globals';
import OpenAI from 'openai';
import type { DemoServer } from '../../../servers/demo/demo-server.ts';
import { collect, eventsOf, HELLO, post, setup } from './setup.ts';

const MESSAGES = [{ role: 'user' as const, content: 'What is a queue?' }];
const WEATHER = {
  type: 'function' as const,
  function: {
    name: 'get_weather',
    parameters: {
      type: 'object',
      properties: {
        city: { type: 'string' },
        days: { type: 'integer', minimum: 2 },
        unit: { enum: ['C', 'F'] },
      },
      required: ['city', 'days'],
    },
  },
};

function clientOf(server: DemoServer): OpenAI {
  return new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 });
}

describe('chat', () => {
  test('says what it is, what was asked, and how to get real answers', async () => {
    await using server = await setup();
    const completion = await clientOf(server).chat.completions.create({
      model: 'citadel-demo',
      messages: MESSAGES,
    });
    const text = completion.choices[0]?.message.content ?? '';
    expect(text).toContain("Citadel's demo model, not a language model");
    expect(text).toContain('"What is a queue?"');
    expect(text).toContain('CITADEL_SERVERS');
    expect(completion).toEqual({
      id: expect.stringMatching(/^chatcmpl-/),
      object: 'chat.completion',
      created: expect.any(Number),
      model: 'citadel-demo',
      system_fingerprint: 'citadel-demo',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: text, refusal: null },
          logprobs: null,
          finish_reason: 'stop',
        },
      ],
      usage: { prompt_tokens: 4, completion_tokens: expect.any(Number), total_tokens: expect.any(Number) },
    });
  });

  test('a stream says the same as the document, token by token', async () => {
    await using server = await setup();
    const ask = { model: 'citadel-demo', messages: MESSAGES };
    const client = clientOf(server);
    const whole = await client.chat.completions.create(ask);
    const stream = await client.chat.completions.create({
      ...ask,
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks = await collect(stream);
    const last = chunks.pop();
    const deltas = chunks.map(({ choices }) => choices[0]?.delta);
    expect(deltas.map((delta) => delta?.content ?? '').join('')).toBe(whole.choices[0]?.message.content);
    expect(deltas[0]?.role).toBe('assistant');
    expect(chunks.map(({ choices }) => choices[0]?.finish_reason).filter(Boolean)).toEqual(['stop']);
    expect(chunks.every(({ usage }) => usage === null)).toBe(true);
    expect(last).toEqual(expect.objectContaining({ choices: [], usage: whole.usage }));
    expect(chunks).toHaveLength((whole.usage?.completion_tokens ?? 0) + 2);
    const stamps = chunks.map(({ id, created, model }) => `${id} ${created} ${model}`);
    expect(new Set(stamps).size).toBe(1);
  });

  test('a stream ends with [DONE] and has no usage that was not asked for', async () => {
    await using server = await setup();
    const { text, headers } = await post(`${server.url}/v1/chat/completions`, { ...HELLO, stream: true });
    expect(headers['content-type']).toBe('text/event-stream; charset=utf-8');
    expect(eventsOf(text).at(-1)).toBe('[DONE]');
    expect(text).not.toContain('usage');
  });

  test('the same request gives the same text, a long message is shortened between characters', async () => {
    await using server = await setup();
    const client = clientOf(server);
    const messages = [{ role: 'user' as const, content: `${'a'.repeat(199)}😀 and more` }];
    const ask = () => client.chat.completions.create({ model: 'citadel-demo', messages });
    const [first, second] = await Promise.all([ask(), ask()]);
    expect(first.choices).toEqual(second.choices);
    expect(first.choices[0]?.message.content).toContain(`"${'a'.repeat(199)}..."`);
  });

  test('max_tokens, max_completion_tokens and stop end an answer', async () => {
    await using server = await setup();
    const ask = async (limits: object) => {
      const { choices, usage } = await clientOf(server).chat.completions.create({
        model: 'citadel-demo',
        messages: MESSAGES,
        ...limits,
      });
      return [choices[0]?.message.content, choices[0]?.finish_reason, usage?.completion_tokens];
    };
    expect(await ask({ max_tokens: 3 })).toEqual(["This is Citadel's", 'length', 3]);
    expect(await ask({ max_completion_tokens: 2 })).toEqual(['This is', 'length', 2]);
    expect(await ask({ stop: ' Citadel' })).toEqual(['This is', 'stop', 2]);
    expect(await ask({ stop: ['nowhere', ' is'] })).toEqual(['This', 'stop', 1]);
    expect(await ask({ stop: 'This' })).toEqual(['', 'stop', 0]);
  });

  test('n choices carry their index and add up in the usage', async () => {
    await using server = await setup();
    const client = clientOf(server);
    const ask = { model: 'citadel-demo', messages: MESSAGES, n: 3, max_tokens: 5 };
    const whole = await client.chat.completions.create(ask);
    expect(whole.choices.map(({ index }) => index)).toEqual([0, 1, 2]);
    expect(whole.usage?.completion_tokens).toBe(15);
    const chunks = await collect(await client.chat.completions.create({ ...ask, stream: true }));
    const ends = chunks
      .flatMap(({ choices }) => choices)
      .filter(({ finish_reason }) => finish_reason !== null);
    expect(ends.map(({ index, finish_reason }) => [index, finish_reason])).toEqual([
      [0, 'length'],
      [1, 'length'],
      [2, 'length'],
    ]);
  });

  test('content parts are read and images counted', async () => {
    await using server = await setup();
    const { choices } = await clientOf(server).chat.completions.create({
      model: 'citadel-demo',
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'What is this?' },
            { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
          ],
        },
      ],
    });
    expect(choices[0]?.message.content).toContain('"What is this?" and sent 1 image.');
  });

  test('each token has a log probability when asked, in a stream too', async () => {
    await using server = await setup();
    const client = clientOf(server);
    const ask = { model: 'citadel-demo', messages: MESSAGES, max_tokens: 4, logprobs: true, top_logprobs: 2 };
    const whole = (await client.chat.completions.create(ask)).choices[0]?.logprobs?.content ?? [];
    expect(whole.map(({ token }) => token).join('')).toBe("This is Citadel's demo");
    expect(whole.every(({ logprob, top_logprobs }) => logprob <= 0 && top_logprobs.length === 2)).toBe(true);
    const chunks = await collect(await client.chat.completions.create({ ...ask, stream: true }));
    expect(chunks.flatMap(({ choices }) => choices[0]?.logprobs?.content ?? [])).toEqual(whole);
  });
});

describe('tools', () => {
  test.each(['required' as const, { type: 'function' as const, function: { name: 'get_weather' } }])(
    'tool_choice %j is answered with a call whose arguments fit the schema',
    async (tool_choice) => {
      await using server = await setup();
      const { choices } = await clientOf(server).chat.completions.create({
        model: 'citadel-demo',
        messages: MESSAGES,
        tools: [WEATHER],
        tool_choice,
      });
      const [call] = choices[0]?.message.tool_calls ?? [];
      expect(choices[0]).toEqual(
        expect.objectContaining({
          finish_reason: 'tool_calls',
          message: expect.objectContaining({ content: null, role: 'assistant' }),
        }),
      );
      expect(call).toEqual({
        id: expect.stringMatching(/^call_/),
        type: 'function',
        function: { name: 'get_weather', arguments: '{"city":"demo","days":2}' },
      });
    },
  );

  test('a streamed call comes in pieces that the client joins', async () => {
    await using server = await setup();
    const final = await clientOf(server)
      .chat.completions.stream({
        model: 'citadel-demo',
        messages: MESSAGES,
        tools: [WEATHER],
        tool_choice: 'required',
      })
      .finalChatCompletion();
    expect(final.choices[0]?.finish_reason).toBe('tool_calls');
    expect(final.choices[0]?.message.tool_calls).toEqual([
      expect.objectContaining({
        type: 'function',
        function: expect.objectContaining({ name: 'get_weather', arguments: '{"city":"demo","days":2}' }),
      }),
    ]);
  });

  test('without a forced choice the answer is text', async () => {
    await using server = await setup();
    const { choices } = await clientOf(server).chat.completions.create({
      model: 'citadel-demo',
      messages: MESSAGES,
      tools: [WEATHER],
    });
    expect(choices[0]?.finish_reason).toBe('stop');
  });
});

describe('response_format', () => {
  test('json_object is answered with an object', async () => {
    await using server = await setup();
    const { choices } = await clientOf(server).chat.completions.create({
      model: 'citadel-demo',
      messages: MESSAGES,
      response_format: { type: 'json_object' },
    });
    expect(JSON.parse(choices[0]?.message.content ?? '')).toEqual({
      answer: expect.stringContaining('queue'),
    });
  });

  test('json_schema is answered with a value of that schema', async () => {
    await using server = await setup();
    const schema = {
      type: 'object',
      properties: {
        title: { type: 'string' },
        year: { type: 'integer', minimum: 1_900 },
        ok: { type: 'boolean' },
      },
      required: ['title', 'year', 'ok'],
      additionalProperties: false,
    };
    const { choices } = await clientOf(server).chat.completions.create({
      model: 'citadel-demo',
      messages: MESSAGES,
      response_format: { type: 'json_schema', json_schema: { name: 'film', strict: true, schema } },
    });
    expect(JSON.parse(choices[0]?.message.content ?? '')).toEqual({ title: 'demo', year: 1_900, ok: true });
  });
});
