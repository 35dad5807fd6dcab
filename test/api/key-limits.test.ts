import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { chat, startTestCitadel, type TestCitadel } from '../support/citadel.ts';
import { waitFor } from '../support/wait-for.ts';
import { errorOf, START_LIMIT_MS } from './setup.ts';

const ADMIN_KEY = 'sk-admin-0123456789';
const CHAT = '/v1/chat/completions';
/** Answers 100 tokens at once, and one that takes its time. */
const HUNDRED = 'sim:tokens=100';
const SLOW = 'sim:first=5000';
/** Slower than callers come. */
const BRIEF = 'sim:first=500';

let citadel: TestCitadel;
let names = 0;

beforeAll(async () => {
  citadel = await startTestCitadel({
    models: ['sim-chat', 'sim-embed', HUNDRED, SLOW, BRIEF],
    env: {
      CITADEL_API_KEYS: `root:admin:${ADMIN_KEY}`,
      CITADEL_CLASSES_LIGHTWEIGHT_QUEUE_DEPTH: '100',
      CITADEL_ALIASES: JSON.stringify({ fast: ['sim-chat'] }),
    },
  });
}, START_LIMIT_MS);
afterAll(() => citadel.stop());

async function makeKey(settings: object, on: TestCitadel = citadel): Promise<{ id: string; key: string }> {
  names += 1;
  const headers = { authorization: `Bearer ${ADMIN_KEY}` };
  const made = await on.post('/api/v1/keys', { name: `key-${names}`, ...settings }, { headers });
  return JSON.parse(await made.text());
}

interface CallOptions {
  body?: object;
  path?: string;
  signal?: AbortSignal;
  on?: TestCitadel;
}

async function call(
  key: string,
  { body = chat('sim-chat'), path = CHAT, signal, on = citadel }: CallOptions = {},
) {
  const headers = { authorization: `Bearer ${key}` };
  const response = await on.post(path, body, signal ? { headers, signal } : { headers });
  return { status: response.status, headers: response.headers, body: await response.text() };
}

const limitsOf = (headers: Headers, what: string) => ({
  limit: headers.get(`x-ratelimit-limit-${what}`),
  remaining: headers.get(`x-ratelimit-remaining-${what}`),
  reset: headers.get(`x-ratelimit-reset-${what}`),
});

function expectRefusal({ status, headers, body }: Awaited<ReturnType<typeof call>>): void {
  expect(status).toBe(429);
  expect(JSON.parse(body)).toEqual(errorOf('rate_limit_exceeded'));
  const seconds = Number(headers.get('retry-after'));
  expect(Number.isInteger(seconds) && seconds >= 1 && seconds <= 60).toBe(true);
}

describe('requests per minute', () => {
  test('are let in up to the limit, with what is left in the headers, and refused beyond', async () => {
    const { key } = await makeKey({ requests_per_minute: 3 });

    const answers = [await call(key), await call(key), await call(key), await call(key)];

    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 429]);
    expect(answers.map(({ headers }) => limitsOf(headers, 'requests'))).toEqual(
      ['2', '1', '0', '0'].map((remaining) => ({
        limit: '3',
        remaining,
        reset: expect.stringMatching(/^(\d+s|1m0s)$/),
      })),
    );
    const [, , , refused] = answers;
    if (refused) expectRefusal(refused);
    expect(limitsOf(answers[0]?.headers ?? new Headers(), 'tokens').limit).toBeNull();
  });

  test.each([
    ['/v1/completions', { model: 'sim-chat', prompt: 'Hi' }],
    ['/v1/embeddings', { model: 'sim-embed', input: 'Hi' }],
    [CHAT, chat('sim-chat', 'Hi', { stream: true })],
  ])('hold for %s %j', async (path, body) => {
    const { key } = await makeKey({ requests_per_minute: 1 });

    expect((await call(key, { path, body })).status).toBe(200);
    expectRefusal(await call(key, { path, body }));
    expect((await citadel.get('/v1/models', { authorization: `Bearer ${key}` })).status).toBe(200);
  });

  test('hold for many at once, to the request', async () => {
    const { key } = await makeKey({ requests_per_minute: 40 });

    const answers = await Promise.all(Array.from({ length: 90 }, () => call(key)));

    expect(answers.filter(({ status }) => status === 200)).toHaveLength(40);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(50);
  });

  test('are not used up by a request that was refused', async () => {
    const { key } = await makeKey({ requests_per_minute: 2, tokens_per_minute: 300 });
    const long = { body: chat('sim-chat', 'x'.repeat(4_000)) };

    for (let turn = 0; turn < 5; turn++) expectRefusal(await call(key, long));
    expect((await call(key, { body: chat('none') })).status).toBe(404);
    expect((await call(key, { body: { model: 'sim-chat' } })).status).toBe(400);

    expect((await call(key)).status).toBe(200);
  });

  test('are those of one key, and no other', async () => {
    const [one, other] = [
      await makeKey({ requests_per_minute: 1 }),
      await makeKey({ requests_per_minute: 1 }),
    ];

    expect((await call(one.key)).status).toBe(200);
    expect((await call(other.key)).status).toBe(200);
  });
});

describe('tokens per minute', () => {
  test('are taken by estimate, and settled by what was used', async () => {
    const { key } = await makeKey({ tokens_per_minute: 2_000 });
    const body = chat(HUNDRED, 'x'.repeat(40), { max_tokens: 1_500 });

    const first = await call(key, { body });
    const second = await call(key, { body });

    expect(first.status).toBe(200);
    const { prompt_tokens, completion_tokens } = JSON.parse(first.body).usage;
    expect(limitsOf(first.headers, 'tokens')).toMatchObject({ limit: '2000', remaining: `${2_000 - 1_510}` });
    const left = 2_000 - prompt_tokens - completion_tokens;
    expect(limitsOf(second.headers, 'tokens')).toMatchObject({ limit: '2000', remaining: `${left - 1_510}` });
  });

  test('that are used up refuse the next request', async () => {
    const { key } = await makeKey({ tokens_per_minute: 250 });
    const body = chat(HUNDRED, 'Hi', { max_tokens: 100 });

    const answers = [await call(key, { body }), await call(key, { body }), await call(key, { body })];

    expect(answers.map(({ status }) => status)).toEqual([200, 200, 429]);
  });

  test('of a caller who leaves in the middle are counted all the same', async () => {
    const { key } = await makeKey({ tokens_per_minute: 1_000 });
    const leave = new AbortController();
    const body = chat(HUNDRED, 'x'.repeat(2_000), { max_tokens: 400, stream: true });
    const response = await citadel.post(CHAT, body, {
      headers: { authorization: `Bearer ${key}` },
      signal: leave.signal,
    });
    await response.body?.getReader().read();
    leave.abort();

    // First all that the estimate took is gone, 900; then what was used is, the prompt and some tokens of the answer.
    const remaining = await waitFor(async () => {
      const { headers } = await call(key, { body: chat('sim-chat', 'Hi', { max_tokens: 1 }) });
      const tokens = Number(limitsOf(headers, 'tokens').remaining);
      return tokens > 500 ? tokens : null;
    }, 'they are counted');
    expect(remaining).toBeLessThanOrEqual(1_000 - 250);
  });
});

describe('requests at once', () => {
  test('are let in up to the limit, and again when one ends, in whatever way', async () => {
    const { key } = await makeKey({ max_concurrency: 2 });
    const leave = new AbortController();
    const slow = { body: chat(SLOW), signal: leave.signal };
    const running = [call(key, slow), call(key, slow)].map((answer) => answer.catch(() => 'left'));
    await waitFor(() => citadel.model.openCalls() === 2, 'both run');

    expectRefusal(await call(key));
    leave.abort();
    await Promise.all(running);

    await waitFor(async () => (await call(key)).status === 200, 'the next is let in');
    const many = await Promise.all(Array.from({ length: 2 }, () => call(key)));
    expect(many.map(({ status }) => status)).toEqual([200, 200]);
  });

  test('do not run out by errors', async () => {
    const { key } = await makeKey({ max_concurrency: 1 });

    for (let turn = 0; turn < 4; turn++) {
      expect((await call(key, { body: chat('none') })).status).toBe(404);
      expect((await call(key)).status).toBe(200);
    }
  });
});

describe('the models of a key', () => {
  test.each([
    ['the alias that is asked for', ['fast'], 200],
    ['the model that the alias stands for', ['sim-chat'], 200],
    ['neither', ['sim-embed'], 403],
  ])('decide about an alias by either name: %s', async (_, models, expected) => {
    const { key } = await makeKey({ models });

    const { status, body } = await call(key, { body: chat('fast') });

    expect(status).toBe(expected);
    if (expected === 403) expect(JSON.parse(body)).toEqual(errorOf('forbidden', { param: 'model' }));
  });

  test('that are aliases let in nothing by the names of what they stand for', async () => {
    const { key } = await makeKey({ models: ['fast'] });

    expect((await call(key)).status).toBe(403);
  });

  test('are the ones it may call', async () => {
    const { key } = await makeKey({ models: ['sim-embed'] });

    const { status, body } = await call(key);

    expect(status).toBe(403);
    expect(JSON.parse(body)).toEqual(errorOf('forbidden', { param: 'model', message: /sim-chat/ }));
    const input = { path: '/v1/embeddings', body: { model: 'sim-embed', input: 'Hi' } };
    expect((await call(key, input)).status).toBe(200);
  });
});

describe('a token budget', () => {
  test.each(['day', 'month'])('of a %s lets in until it is used up', async (per) => {
    const { key } = await makeKey({ token_budget: { tokens: 250, per } });
    const body = chat(HUNDRED, 'Hi', { max_tokens: 100 });

    const answers = [await call(key, { body }), await call(key, { body }), await call(key, { body })];

    expect(answers.map(({ status }) => status)).toEqual([200, 200, 429]);
    const [, , refused] = answers;
    if (refused) expectRefusal(refused);
    expect(JSON.parse(refused?.body ?? '').error.message).toContain(`250 tokens a ${per}`);
  });
});

test(
  'of 1 000 callers at once, as many as may wait are answered and the others told at once that it is full',
  async () => {
    const { key } = await makeKey({ requests_per_minute: 100_000, max_concurrency: 5_000 });

    const answers = await Promise.all(Array.from({ length: 1_000 }, () => call(key, { body: chat(BRIEF) })));

    const statuses = Map.groupBy(answers, ({ status }) => status);
    expect([...statuses.keys()].sort()).toEqual([200, 429]);
    expect(statuses.get(200)?.length).toBeGreaterThanOrEqual(100);
    for (const { headers, body } of statuses.get(429) ?? []) {
      expect(JSON.parse(body)).toEqual(errorOf('queue_full'));
      expect(headers.get('retry-after')).toMatch(/^\d+$/);
    }
    await waitFor(async () => (await call(key)).status === 200, 'the next is let in');
  },
  START_LIMIT_MS,
);
