import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startTestCitadel, type TestCitadel } from '../support/citadel.ts';
import { expectWithin, inTime } from '../support/in-time.ts';
import { waitFor } from '../support/wait-for.ts';
import { START_LIMIT_MS } from './setup.ts';

const PATH = '/v1/chat/completions';
const KEYS = ['key-of-flood-12345', 'key-of-other-12345'] as const;
const [FLOOD, OTHER] = KEYS;

const modelOf = (tokenMs: number) => `sim:tokens=10+token=${tokenMs}`;
/** Long enough for others to come while it runs. */
const SLOW = modelOf(200);

let citadel: TestCitadel;

/** In front of one server that takes one call at a time. */
beforeAll(async () => {
  citadel = await startTestCitadel({
    env: { CITADEL_API_KEYS: KEYS.map((key, index) => `key-${index}:user:${key}`).join() },
    models: [10, 20, 130, 200, 250].map(modelOf),
    registration: { max_concurrency: 1 },
  });
}, START_LIMIT_MS);

afterAll(() => citadel?.stop());

interface Asked {
  stream?: boolean;
  key?: (typeof KEYS)[number];
  headers?: Record<string, string>;
  body?: object;
}

/** Calls of 100 ms each unless told, and what comes of them. */
function setup({ tokenMs = 10 } = {}) {
  const model = modelOf(tokenMs);
  const { length: before } = citadel.model.requests;
  const ended: string[] = [];
  /** What the server was asked, in order. */
  const order = () =>
    citadel.model.requests
      .slice(before)
      .filter(({ method }) => method === 'POST')
      .map(({ body }) => JSON.parse(body).messages[0].content as string);
  return {
    ended,
    ask(name: string, { stream = false, key = FLOOD, headers = {}, body = {} }: Asked = {}) {
      const request = { model, stream, messages: [{ role: 'user', content: name }], ...body };
      const answer = citadel.post(PATH, request, { headers: { authorization: `Bearer ${key}`, ...headers } });
      answer.then(
        async (response) => {
          await response.clone().text();
          ended.push(name);
        },
        () => {},
      );
      return answer;
    },
    calls: () => order().length,
    order,
  };
}

describe('requests that wait', () => {
  test('run in turns between keys: twenty of one do not delay the first of another', async () => {
    const { ask, order, calls } = setup({ tokenMs: 20 });
    const flood = Array.from({ length: 20 }, () => ask('flood'));
    await waitFor(() => calls() > 1, 'the flood runs');
    const before = calls();

    const other = await ask('other', { key: OTHER });
    await Promise.all(flood);

    expect(other.status).toBe(200);
    expect(order().indexOf('other') - before).toBeLessThanOrEqual(4);
  });

  test('run by their priority', async () => {
    const { ask, order, calls } = setup();
    const first = ask('first', { body: { model: SLOW } });
    await waitFor(() => calls() === 1, 'the first runs');

    const others = ['low', 'normal', 'high', 'critical'].map((name) =>
      ask(
        name,
        name === 'high'
          ? { body: { metadata: { 'x-citadel-priority': name } } }
          : { headers: { 'x-citadel-priority': name } },
      ),
    );
    await Promise.all([first, ...others]);

    expect(order()).toEqual(['first', 'critical', 'high', 'normal', 'low']);
  });

  test('tell a stream its place in comments, then the facts, then the answer', async () => {
    const { ask, calls } = setup({ tokenMs: 130 });
    const first = ask('first');
    await waitFor(() => calls() === 1, 'the first runs');
    const second = ask('second');

    const third = await ask('third', { stream: true });
    const lines = (await third.text()).split('\n').filter(Boolean);

    expect(third.headers.get('content-type')).toMatch(/event-stream/);
    expect(third.headers.get('x-citadel-job-id')).toMatch(/^job_/);
    expect(lines[0]).toMatch(/^: queued position=[12]( eta_ms=\d+)?$/);
    const facts = lines.findIndex((line) => line.startsWith(': x-citadel-job-id='));
    expect(lines[facts]).toMatch(/x-citadel-attempts=1 x-citadel-server=sim x-citadel-queue-ms=\d+$/);
    expect(lines.slice(facts + 1).every((line) => line.startsWith('data: '))).toBe(true);
    expect(lines.at(-1)).toBe('data: [DONE]');
    await Promise.all([first, second]);
  });

  test('end with 429 and Retry-After once they have waited for as long as they may', async () => {
    const { ask, calls } = setup({ tokenMs: 250 });
    const first = ask('first');
    await waitFor(() => calls() === 1, 'the first runs');

    const late = await ask('late', { headers: { 'x-citadel-max-wait-ms': '500' } });

    expect(late.status).toBe(429);
    expect(Number(late.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect(await late.json()).toMatchObject({
      error: { code: 'queue_full', type: 'rate_limit_error', param: null },
    });
    expect((await first).status).toBe(200);
    expect(calls()).toBe(1);
    expect((await ask('next')).status).toBe(200);
  });

  test('are refused at once when their turn would come too late', async () => {
    const { ask, ended } = setup();
    const waiting = Array.from({ length: 30 }, (_, index) => ask(`waiting ${index}`));
    await waitFor(() => ended.length >= 8, 'the line moves');

    await inTime(async () => {
      const startedMs = performance.now();
      const late = await ask('late', { headers: { 'x-stainless-timeout': '0.2' } });
      const tookMs = performance.now() - startedMs;

      expect(late.status).toBe(429);
      expect(Number(late.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
      expectWithin(150, tookMs);
    });
    await Promise.all(waiting);
  });
});

test('a wrong option is named', async () => {
  const { ask } = setup();
  const wrong: Record<string, string>[] = [
    { 'x-citadel-priority': 'urgent' },
    { 'x-citadel-max-wait-ms': '-1' },
    { 'x-citadel-max-wait-ms': 'soon' },
  ];

  const answers = await Promise.all(wrong.map((headers) => ask('x', { headers })));

  for (const [index, answer] of answers.entries()) {
    const [param] = Object.keys(wrong[index] ?? {});
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ error: { code: 'invalid_request', param } });
  }
});
