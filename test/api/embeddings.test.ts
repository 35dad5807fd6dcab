import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startTestCitadel, type TestCitadel } from '../support/citadel.ts';
import { freePort } from '../support/free-port.ts';
import type { ScriptedServer } from '../support/scripted-server.ts';
import { ODD_BASE64, ODD_MODELS, ODD_VECTORS, startOddEmbeddingsServer } from './odd-embeddings-server.ts';
import { errorOf, START_LIMIT_MS } from './setup.ts';

const ROUTE = '/v1/embeddings';

let citadel: TestCitadel;
let odd: ScriptedServer;

beforeAll(async () => {
  odd = await startOddEmbeddingsServer();
  const port = await freePort();
  const servers = [
    { id: 'sim', hostname: '127.0.0.1', port, models: ['sim-embed'] },
    { id: 'odd', hostname: '127.0.0.1', port: odd.port, models: ODD_MODELS },
  ];
  citadel = await startTestCitadel({ server: { port }, env: { CITADEL_SERVERS: JSON.stringify(servers) } });
}, START_LIMIT_MS);
afterAll(async () => {
  await citadel.stop();
  await odd.close();
});

interface Embeddings {
  object: string;
  data: { object: string; index: number; embedding: number[] | string }[];
  model: string;
  usage: object;
}

interface Fields {
  [name: string]: unknown;
}

async function embed(fields: Fields): Promise<Embeddings> {
  const response = await citadel.post(ROUTE, { model: 'sim-embed', ...fields });
  expect(response.status).toBe(200);
  return (await response.json()) as Embeddings;
}

async function vectorsOf(fields: Fields): Promise<(number[] | string)[]> {
  const { data } = await embed(fields);
  expect(data.map(({ index }) => index)).toEqual(data.map((_, position) => position));
  return data.map(({ embedding }) => embedding);
}

const toFloats = (base64: unknown) => {
  const bytes = Buffer.from(String(base64), 'base64');
  return Array.from({ length: bytes.length / 4 }, (_, at) => bytes.readFloatLE(at * 4));
};

describe('embeddings', () => {
  test('have the shape of OpenAI, and the headers of every model call', async () => {
    const response = await citadel.post(ROUTE, { model: 'sim-embed', input: 'Hello there' });

    expect(await response.json()).toEqual({
      object: 'list',
      data: [{ object: 'embedding', index: 0, embedding: expect.any(Array) }],
      model: 'sim-embed',
      usage: { prompt_tokens: 2, total_tokens: 2 },
    });
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'x-request-id': expect.stringMatching(/^req_/),
      'openai-processing-ms': expect.stringMatching(/^\d+$/),
      'x-citadel-job-id': expect.stringMatching(/^job_/),
      'x-citadel-server': 'sim',
      'x-citadel-attempts': '1',
    });
  });

  test('are asked of the server byte for byte as the caller asked', async () => {
    const body =
      '{ "model":"sim-embed","input":["\\u00e9",  "b"],"user":"u","x_vendor":12345678901234567890 }';
    await citadel.post(ROUTE, body);

    expect(citadel.model.requests.findLast(({ path }) => path === ROUTE)?.body).toBe(body);
  });

  test.each([
    ['a string', 'Hello', 1],
    ['strings', ['Hello', 'there', 'Hello'], 3],
    ['tokens', [1, 2, 3], 1],
    ['lists of tokens', [[1, 2], [3]], 2],
  ])('are made of %s', async (_, input, count) => {
    expect(await vectorsOf({ input })).toHaveLength(count);
  });

  test('have the dimensions that were asked for', async () => {
    const [vector] = await vectorsOf({ input: 'Hello', dimensions: 7 });

    expect(vector).toHaveLength(7);
  });

  test('of 2 048 items come in the order of the items', async () => {
    const input = Array.from({ length: 2_048 }, (_, index) => `text number ${index}`);
    const vectors = await vectorsOf({ input, dimensions: 16 });

    expect(vectors).toHaveLength(2_048);
    for (const index of [0, 1, 1_000, 2_047]) {
      expect(await vectorsOf({ input: input[index], dimensions: 16 })).toEqual([vectors[index]]);
    }
  });

  test.each([
    ['2 049 strings', Array(2_049).fill('x'), 'input'],
    ['2 049 lists of tokens', Array(2_049).fill([1]), 'input'],
    ['an empty string', '', 'input'],
    ['an empty list', [], 'input'],
    ['a list with an empty string', ['a', ''], 'input'],
    ['a list with an empty list', [[1], []], 'input'],
    ['strings and tokens mixed', ['a', 1], 'input'],
    ['fractions', [1.5], 'input'],
    ['an object', { text: 'a' }, 'input'],
    ['nothing', undefined, 'input'],
    ['null', null, 'input'],
  ])('of %s are refused', async (_, input, param) => {
    const asked = odd.calls().length + citadel.model.calls().length;
    const response = await citadel.post(ROUTE, { model: 'sim-embed', input });

    expect(response.status).toBe(400);
    expect(await response.json()).toEqual(errorOf('invalid_request', { param }));
    expect(odd.calls().length + citadel.model.calls().length).toBe(asked);
  });
});

describe('the encoding', () => {
  test('is floats unless base64 was asked for, and both say the same', async () => {
    const [[plain], [float], [base64]] = [
      await vectorsOf({ input: 'Hello' }),
      await vectorsOf({ input: 'Hello', encoding_format: 'float' }),
      await vectorsOf({ input: 'Hello', encoding_format: 'base64' }),
    ];

    expect(plain).toEqual(float);
    expect(typeof base64).toBe('string');
    expect(toFloats(base64)).toEqual(float);
  });

  test.each(['floats-embed', 'base64-embed', 'shuffled-embed', 'bare-embed'])(
    'is what the caller wants whatever the server sends, the order too: %s',
    async (model) => {
      const input = ['a', 'b'];

      expect(await vectorsOf({ model, input })).toEqual(ODD_VECTORS);
      expect(await vectorsOf({ model, input, encoding_format: 'float' })).toEqual(ODD_VECTORS);
      expect(await vectorsOf({ model, input, encoding_format: 'base64' })).toEqual(ODD_BASE64);
    },
  );

  test('other than these two is refused', async () => {
    const response = await citadel.post(ROUTE, { model: 'sim-embed', input: 'a', encoding_format: 'hex' });

    expect(response.status).toBe(400);
    expect(await response.json()).toEqual(errorOf('invalid_request', { param: 'encoding_format' }));
  });
});
