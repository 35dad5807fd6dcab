import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createDemoServer, type DemoServer } from '../../servers/demo/demo-server.ts';
import { MANY_RETRIES, startTestCitadel, type TestCitadel } from '../support/citadel.ts';
import { waitFor } from '../support/wait-for.ts';
import { START_LIMIT_MS } from './setup.ts';

const IDS = ['a', 'b', 'c'];
const ANSWER_MS = 250;
const TEXTS = Array.from({ length: 300 }, (_, index) => `text number ${index}`);

let citadel: TestCitadel;
let servers: DemoServer[];
let seenBefore: number[];

beforeAll(async () => {
  servers = IDS.map(() =>
    createDemoServer({ models: [{ id: 'sim-embed' }], pacing: { firstTokenMs: ANSWER_MS, tokenMs: 0 } }),
  );
  await Promise.all(servers.map((server) => server.start()));
  const registrations = servers.map(({ port }, at) => ({ id: IDS[at], hostname: '127.0.0.1', port }));
  citadel = await startTestCitadel({
    env: {
      ...MANY_RETRIES,
      CITADEL_HEALTH_SUSPICIOUS_INTERVAL_MS: '20',
      CITADEL_HEALTH_HEALTHY_AFTER: '1',
      CITADEL_SERVERS: JSON.stringify(registrations),
    },
  });
}, START_LIMIT_MS);

beforeEach(async () => {
  const { registry } = citadel.process;
  const areWell = () => registry.servers().every(({ state }) => state === 'healthy');
  await waitFor(areWell, 'all servers are healthy');
  seenBefore = servers.map(({ requests }) => requests.length);
});

afterEach(async () => {
  for (const server of servers) {
    server.setFault(undefined);
    await server.start();
  }
});

afterAll(async () => {
  await citadel?.stop();
  await Promise.all(servers.map((server) => server.stop()));
});

/** The inputs that each server was asked for since the test's begin, call by call. */
function inputsSeen(): string[][][] {
  return servers.map(({ requests }, at) =>
    requests
      .slice(seenBefore[at])
      .filter(({ method }) => method === 'POST')
      .map(({ body }) => JSON.parse(body).input),
  );
}

async function embed(fields: object) {
  const response = await citadel.post('/v1/embeddings', { model: 'sim-embed', ...fields });
  expect(response.status).toBe(200);
  const answer = (await response.json()) as {
    data: { index: number; embedding: unknown; object: string }[];
    usage: { prompt_tokens: number; total_tokens: number };
  };
  return { answer, servers: response.headers.get('x-citadel-server'), attempts: attemptsOf(response) };
}

const attemptsOf = ({ headers }: Response) => Number(headers.get('x-citadel-attempts'));

/** The same, asked for in pieces that no server shares. */
async function embedInPieces(texts: string[]): Promise<unknown[]> {
  const pieces = Array.from({ length: Math.ceil(texts.length / 60) }, (_, at) =>
    texts.slice(60 * at, 60 * (at + 1)),
  );
  const answers = await Promise.all(pieces.map((input) => embed({ input })));
  return answers.flatMap(({ answer }) => answer.data.map(({ embedding }) => embedding));
}

describe('a large request for embeddings', () => {
  test('is answered by all servers together, in order, with what it used in sum', async () => {
    const { answer, servers: names, attempts } = await embed({ input: TEXTS });

    expect(inputsSeen()).toEqual([[TEXTS.slice(0, 100)], [TEXTS.slice(100, 200)], [TEXTS.slice(200)]]);
    expect({ names, attempts }).toEqual({ names: 'a,b,c', attempts: 3 });
    expect(answer.data.map(({ index }) => index)).toEqual(TEXTS.map((_, index) => index));
    expect(answer.usage.prompt_tokens).toBeGreaterThanOrEqual(300);
    expect(answer.usage.total_tokens).toBe(answer.usage.prompt_tokens);
    expect(answer.data.map(({ embedding }) => embedding)).toEqual(await embedInPieces(TEXTS));
  });

  test('keeps its other members for each part', async () => {
    const { answer } = await embed({ input: TEXTS, encoding_format: 'base64', dimensions: 16 });

    expect(answer.data.every(({ embedding }) => typeof embedding === 'string')).toBe(true);
    expect(Buffer.from(String(answer.data[299]?.embedding), 'base64').length).toBe(4 * 16);
  });

  test('of lists of tokens is split as well', async () => {
    const { answer } = await embed({ input: TEXTS.map((_, index) => [index, 7]) });

    expect(answer.data.length).toBe(300);
    expect(inputsSeen().map(([part]) => part?.length)).toEqual([100, 100, 100]);
  });

  test.each([
    ['64 texts', TEXTS.slice(0, 64)],
    ['one text of 300 tokens', TEXTS.map((_, index) => index)],
  ])('is not %s: that goes to one server', async (_, input) => {
    await embed({ input });

    expect(inputsSeen().flat()).toEqual([input]);
  });

  test('has only that part made again whose server died in its middle', async () => {
    const asked = embed({ input: TEXTS });
    await waitFor(() => servers.every((server) => server.openCalls() === 1), 'a call at each server');
    await servers[2]?.stop();

    const { answer, attempts } = await asked;

    expect(answer.data.length).toBe(300);
    expect(attempts).toBe(4);
    const calls = inputsSeen().flat();
    const sorted = calls.map(([first]) => first).sort();
    expect(sorted).toEqual(['text number 0', 'text number 100', 'text number 200', 'text number 200']);
    expect(inputsSeen()[2]).toEqual([TEXTS.slice(200)]);
  });

  test('fails with what a server says is wrong with one part, and ends the others', async () => {
    servers[1]?.setFault('bad-request');

    const response = await citadel.post('/v1/embeddings', { model: 'sim-embed', input: TEXTS });

    expect([response.status, await response.json()]).toMatchObject([400, { error: { code: '400' } }]);
    await waitFor(() => servers.every((server) => server.openCalls() === 0), 'no call is left open');
    expect(inputsSeen().map((calls) => calls.length)).toEqual([1, 1, 1]);
  });

  test('is answered by one server where no second one has room', async () => {
    const { registry } = citadel.process;
    for (const id of ['b', 'c']) registry.setDraining(id, true);

    const { answer, servers: names } = await embed({ input: TEXTS });
    for (const id of ['b', 'c']) registry.setDraining(id, false);

    expect([names, answer.data.length]).toEqual(['a', 300]);
    expect(inputsSeen()[0]).toEqual([TEXTS]);
  });
});
