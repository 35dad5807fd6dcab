import { expect, test } from '@jest/globals';
import OpenAI from 'openai';
import type { DemoServer } from '../../../servers/demo/demo-server.ts';
import { collect, setup } from './setup.ts';

function clientOf(server: DemoServer): OpenAI {
  return new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 });
}

const MODEL = 'citadel-demo';

test('without max_tokens an answer has 16 tokens', async () => {
  await using server = await setup();
  const { object, choices, usage } = await clientOf(server).completions.create({
    model: MODEL,
    prompt: 'Once upon',
  });
  expect([object, choices[0]?.finish_reason]).toEqual(['text_completion', 'length']);
  expect(usage).toEqual({ prompt_tokens: 2, completion_tokens: 16, total_tokens: 18 });
});

test.each([
  ['a string', 'a b', ['"a b"']],
  ['strings', ['a', 'b'], ['"a"', '"b"']],
  ['tokens', [1, 2, 3], ['"[3 tokens]"']],
  ['lists of tokens', [[1], [2, 3]], ['"[1 tokens]"', '"[2 tokens]"']],
])('a prompt may be %s', async (_, prompt, quoted) => {
  await using server = await setup();
  const { choices } = await clientOf(server).completions.create({ model: MODEL, prompt, max_tokens: 200 });
  expect(choices.map(({ text }) => /".*?"/.exec(text)?.[0])).toEqual(quoted);
});

test('n choices for each prompt come in order, with echo and log probabilities', async () => {
  await using server = await setup();
  const { choices } = await clientOf(server).completions.create({
    model: MODEL,
    prompt: ['One.', 'Two.'],
    n: 2,
    best_of: 3,
    echo: true,
    logprobs: 2,
    max_tokens: 1,
  });
  expect(choices.map(({ index, text }) => [index, text])).toEqual([
    [0, 'One.This'],
    [1, 'One.This'],
    [2, 'Two.This'],
    [3, 'Two.This'],
  ]);
  expect(choices[0]?.logprobs?.tokens).toEqual(['One.', 'This']);
  expect(choices[0]?.logprobs?.text_offset).toEqual([0, 4]);
});

test('a stream says the same as the document', async () => {
  await using server = await setup();
  const ask = { model: MODEL, prompt: ['One.', 'Two words.'], echo: true, max_tokens: 40 };
  const client = clientOf(server);
  const whole = await client.completions.create(ask);
  const chunks = await collect(await client.completions.create({ ...ask, stream: true }));
  const texts = ['', ''];
  for (const { choices, object } of chunks) {
    expect(object).toBe('text_completion');
    for (const { index, text } of choices) texts[index] += text;
  }
  expect(texts).toEqual(whole.choices.map(({ text }) => text));
});
