import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Completion } from 'openai/resources/completions';
import { readEvents, startTestCitadel, type TestCitadel } from '../support/citadel.ts';
import { errorOf, START_LIMIT_MS } from './setup.ts';

const ROUTE = '/v1/completions';
const WHOLE_ONLY = 'sim:no-stream';

let citadel: TestCitadel;

beforeAll(async () => {
  citadel = await startTestCitadel({ models: ['sim-chat', WHOLE_ONLY] });
}, START_LIMIT_MS);
afterAll(() => citadel.stop());

interface Fields {
  [name: string]: unknown;
}

async function complete(fields: Fields): Promise<Completion> {
  const response = await citadel.post(ROUTE, { model: 'sim-chat', ...fields });
  expect(response.status).toBe(200);
  return (await response.json()) as Completion;
}

async function stream(fields: Fields): Promise<Completion[]> {
  const response = await citadel.post(ROUTE, { model: 'sim-chat', stream: true, ...fields });
  expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
  const events = readEvents(await response.text());
  expect(events.at(-1)).toBe('[DONE]');
  return events.slice(0, -1).map((event) => JSON.parse(event));
}

const lastBody = () => citadel.model.requests.findLast(({ path }) => path === ROUTE)?.body;
const textOf = (chunks: Completion[], index = 0) =>
  chunks
    .flatMap(({ choices }) => choices.filter((choice) => choice.index === index))
    .map(({ text }) => text)
    .join('');

describe('a legacy completion', () => {
  test('has the shape of an OpenAI text completion, its keys in the usual order', async () => {
    const answer = await complete({ prompt: 'Once upon' });

    expect(answer).toEqual({
      id: expect.stringMatching(/./),
      object: 'text_completion',
      created: expect.any(Number),
      model: 'sim-chat',
      choices: [{ index: 0, text: expect.stringMatching(/./), logprobs: null, finish_reason: 'length' }],
      usage: { prompt_tokens: 2, completion_tokens: 16, total_tokens: 18 },
      system_fingerprint: 'citadel-demo',
    });
    expect(Object.keys(answer).slice(0, 6)).toEqual(['id', 'object', 'created', 'model', 'choices', 'usage']);
    expect(Object.keys(answer.choices[0] ?? {})).toEqual(['index', 'text', 'logprobs', 'finish_reason']);
  });

  test.each([
    ['a string', 'Once', 1],
    ['strings', ['Once', 'upon'], 2],
    ['tokens', [1, 2, 3], 1],
    ['lists of tokens', [[1, 2], [3]], 2],
  ])('takes %s as its prompt, and answers each in order', async (_, prompt, count) => {
    const { choices } = await complete({ prompt });

    expect(choices.map(({ index }) => index)).toEqual(Array.from({ length: count }, (_item, index) => index));
  });

  test('has n choices of each prompt, those of one prompt side by side', async () => {
    const { choices } = await complete({ prompt: ['Once', 'upon'], n: 2, echo: true });

    expect(choices.map(({ index, text }) => [index, text.slice(0, 4)])).toEqual([
      [0, 'Once'],
      [1, 'Once'],
      [2, 'upon'],
      [3, 'upon'],
    ]);
  });

  test('has the log probabilities of all its tokens, put together from the stream', async () => {
    const { choices } = await complete({ prompt: 'Once', logprobs: 2, max_tokens: 4 });
    const { logprobs, text } = choices[0] ?? {};

    expect(logprobs?.tokens).toHaveLength(4);
    expect(logprobs?.tokens?.join('')).toBe(text);
    expect(logprobs?.token_logprobs).toHaveLength(4);
    expect(Object.keys(logprobs?.top_logprobs?.[0] ?? {})).toHaveLength(2);
  });

  test('passes every parameter on as it came, but for what makes the server stream', async () => {
    const body =
      '{"model":"sim-chat", "prompt":"Once","seed":12345678901234567890,"temperature":1.0,"suffix":"\\u00e9",' +
      '"max_tokens":2,"logit_bias":{"5":-1.50},"x_vendor":[1e2]';
    await citadel.post(ROUTE, `${body}}`);

    expect(lastBody()).toBe(`${body},"stream":true,"stream_options":{"include_usage":true}}`);
  });

  test('with best_of is asked for as a whole, byte for byte', async () => {
    const body = '{"model":"sim-chat", "prompt":"Once","best_of":3}';
    const response = await citadel.post(ROUTE, body);

    expect(await response.json()).toMatchObject({ object: 'text_completion', choices: [{ index: 0 }] });
    expect(lastBody()).toBe(body);
  });

  test('with best_of is refused as a stream', async () => {
    const response = await citadel.post(ROUTE, { model: 'sim-chat', prompt: 'x', best_of: 2, stream: true });

    expect(response.status).toBe(400);
    expect(await response.json()).toEqual(errorOf('invalid_request', { param: 'best_of' }));
  });
});

describe('a streamed completion', () => {
  test('has the same id, created, model and object in each chunk, and one finish_reason, at its end', async () => {
    const chunks = await stream({ prompt: 'Once' });
    const heads = chunks.map(({ id, created, model, object }) =>
      JSON.stringify([id, created, model, object]),
    );

    expect(new Set(heads).size).toBe(1);
    expect(chunks[0]).toMatchObject({ object: 'text_completion', model: 'sim-chat' });
    expect(chunks.map(({ choices: [choice] }) => choice?.finish_reason)).toEqual([
      ...Array(chunks.length - 1).fill(null),
      'length',
    ]);
  });

  test('says what the whole answer says, for each choice', async () => {
    const fields = { prompt: ['Once', 'upon'], max_tokens: 60 };
    const [whole, chunks] = [await complete(fields), await stream(fields)];

    expect([0, 1].map((index) => textOf(chunks, index))).toEqual(whole.choices.map(({ text }) => text));
  });

  test('has one usage chunk without choices where it was asked for, and none otherwise', async () => {
    const asked = await stream({ prompt: 'Once', stream_options: { include_usage: true } });
    const unasked = await stream({ prompt: 'Once' });

    expect(asked.at(-1)).toMatchObject({ choices: [], usage: { prompt_tokens: 1, completion_tokens: 16 } });
    expect(asked.filter(({ choices }) => choices.length === 0)).toHaveLength(1);
    expect(unasked.filter(({ choices, usage }) => choices.length === 0 || usage)).toEqual([]);
  });

  test('is made of the whole answer of a server that does not stream', async () => {
    const whole = await complete({ model: WHOLE_ONLY, prompt: 'Once' });

    expect(textOf(await stream({ model: WHOLE_ONLY, prompt: 'Once' }))).toBe(whole.choices[0]?.text);
  });
});
