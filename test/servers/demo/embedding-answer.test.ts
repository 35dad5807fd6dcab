import { expect, test } from '@jest/globals';
import OpenAI from 'openai';
import type { DemoServer } from '../../../servers/demo/demo-server.ts';
import { setup } from './setup.ts';

const MODEL = 'citadel-demo-embed';

function clientOf(server: DemoServer): OpenAI {
  return new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 });
}

test("the client's base64 default and floats give the same vector, of length 1", async () => {
  await using server = await setup();
  const { embeddings } = clientOf(server);
  const packed = await embeddings.create({ model: MODEL, input: 'A gateway for models' });
  const plain = await embeddings.create({
    model: MODEL,
    input: 'A gateway for models',
    encoding_format: 'float',
  });
  expect(packed).toEqual(plain);
  expect(plain.usage).toEqual({ prompt_tokens: 4, total_tokens: 4 });
  const [vector = []] = plain.data.map(({ embedding }) => embedding);
  expect(vector).toHaveLength(256);
  expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
});

test.each([
  ['a string', 'one', 1],
  ['strings', ['one', 'two', ''], 3],
  ['tokens', [1, 2, 3], 1],
  ['lists of tokens', [[1], [2, 3], []], 3],
])('an input of %s gives its vectors in order, with the dimensions asked for', async (_, input, count) => {
  await using server = await setup();
  const { data } = await clientOf(server).embeddings.create({ model: MODEL, input, dimensions: 1_000 });
  expect(data.map(({ index }) => index)).toEqual(Array.from({ length: count }, (_item, at) => at));
  expect(data.every(({ embedding }) => embedding.length === 1_000 && embedding.every(Number.isFinite))).toBe(
    true,
  );
});
