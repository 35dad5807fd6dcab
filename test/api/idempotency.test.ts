import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { chat, readEvents } from '../support/citadel.ts';
import { waitFor } from '../support/wait-for.ts';
import { errorOf, START_LIMIT_MS } from './setup.ts';
import {
  BAD_MODEL,
  BRIEF_MODEL,
  CHAT_MODEL,
  JOBS,
  RUNS,
  SLOW_MODEL,
  setupWork,
  type WorkBundle,
} from './work-bundle.ts';

const CHAT = '/v1/chat/completions';
const DEFINITION = { name: 'one', steps: [{ id: 'a', type: 'transform', value: 1 }] };

let work: WorkBundle;
let keys = 0;

beforeAll(async () => {
  work = await setupWork();
}, START_LIMIT_MS);
afterAll(() => work.citadel.stop());

function newKey(): Record<string, string> {
  keys += 1;
  return { 'idempotency-key': `key ${keys}` };
}

const post = (path: string, body: unknown, headers: Record<string, string>) =>
  work.ask('POST', path, body, headers);

/** A call of a model whose answer streams. */
async function stream(body: object, headers: Record<string, string>, signal?: AbortSignal) {
  const response = await work.citadel.post(CHAT, body, { headers, ...(signal ? { signal } : {}) });
  return { response, events: readEvents(await response.text()) };
}

const contentOf = (events: readonly string[]) =>
  events
    .filter((event) => event !== '[DONE]')
    .flatMap((event) => JSON.parse(event).choices)
    .map((choice) => choice.delta?.content ?? '')
    .join('');

describe('with an idempotency key', () => {
  test.each([
    [JOBS, { kind: 'chat', request: chat(CHAT_MODEL) }],
    [RUNS, { definition: DEFINITION }],
  ])('POST %s makes one, and answers the same to each repeat', async (path, body) => {
    const headers = newKey();

    const [first, second] = await Promise.all([post(path, body, headers), post(path, body, headers)]);
    await work.untilEnded(first.headers.get('location') ?? '');
    const third = await post(path, body, headers);

    expect([first.status, second.status, third.status]).toEqual([202, 202, 202]);
    expect(second.body.id).toBe(first.body.id);
    expect(third.body).toEqual(first.body);
    expect(third.headers.get('idempotent-replayed')).toBe('true');
  });

  test.each([
    [JOBS, { kind: 'chat', request: chat(CHAT_MODEL) }, { kind: 'chat', request: chat(CHAT_MODEL, 'Other') }],
    [RUNS, { definition: DEFINITION }, { definition: DEFINITION, input: { a: 1 } }],
    [CHAT, chat(CHAT_MODEL), chat(CHAT_MODEL, 'Other')],
  ])('POST %s refuses another body', async (path, body, other) => {
    const headers = newKey();
    await post(path, body, headers);

    expect(await post(path, other, headers)).toMatchObject({
      status: 422,
      body: { error: { code: 'idempotency_mismatch' } },
    });
  });

  test('another route is another request', async () => {
    const headers = newKey();
    await post(RUNS, { definition: DEFINITION }, headers);

    expect((await post(CHAT, chat(CHAT_MODEL), headers)).status).toBe(422);
  });

  test('a fork is made once', async () => {
    const { body } = await post(RUNS, { definition: DEFINITION }, {});
    await work.untilEnded(`${RUNS}/${body.id}`);
    const headers = newKey();
    const fork = () => post(`${RUNS}/${body.id}/fork`, { from_step: 'a' }, headers);

    const [first, second] = [await fork(), await fork()];

    expect(second.body).toEqual(first.body);
    expect(second.headers.get('idempotent-replayed')).toBe('true');
  });

  test.each([
    [JOBS, { kind: 'chat', request: chat(CHAT_MODEL) }],
    [RUNS, { definition: DEFINITION }],
    [CHAT, chat(CHAT_MODEL)],
    ['/v1/embeddings', { model: 'sim-embed', input: 'a' }],
  ])('of more than 255 characters, or of none, POST %s is refused', async (path, body) => {
    for (const key of ['k'.repeat(256), '']) {
      expect(await post(path, body, { 'idempotency-key': key })).toMatchObject({
        status: 400,
        body: errorOf('invalid_request', { param: 'Idempotency-Key' }),
      });
    }
    const longest = `${path} `.padEnd(255, 'k');
    expect((await post(path, body, { 'idempotency-key': longest })).status).toBeLessThan(300);
  });
});

describe('a chat with an idempotency key', () => {
  test('is answered once by its model: a repeat gets the same answer', async () => {
    const headers = newKey();
    const before = work.calls();

    const first = await post(CHAT, chat(CHAT_MODEL), headers);
    const second = await post(CHAT, chat(CHAT_MODEL), headers);

    expect(first).toMatchObject({ status: 200, body: { object: 'chat.completion' } });
    expect(second.body).toEqual(first.body);
    expect([first, second].map(({ headers: one }) => one.get('idempotent-replayed'))).toEqual([null, 'true']);
    expect(work.calls()).toBe(before + 1);
    expect(second.headers.get('x-citadel-server')).toBe('sim');
    expect(second.headers.get('x-citadel-job-id')).toBe(first.headers.get('x-citadel-job-id'));
  });

  test('is joined by those who bring the key while it runs', async () => {
    const headers = newKey();
    const before = work.calls();

    const answers = await Promise.all([1, 2, 3].map(() => post(CHAT, chat(BRIEF_MODEL), headers)));

    expect(new Set(answers.map(({ body }) => JSON.stringify(body))).size).toBe(1);
    expect(work.calls()).toBe(before + 1);
  });

  test('goes on when its caller leaves, and the retry joins it', async () => {
    const headers = newKey();
    const before = work.calls();
    const leave = new AbortController();
    const left = stream(chat(BRIEF_MODEL), headers, leave.signal).catch(() => {});
    await waitFor(() => work.citadel.model.openCalls() === 1, 'the model works');
    leave.abort();
    await left;

    const { status, body } = await post(CHAT, chat(BRIEF_MODEL), headers);

    expect(status).toBe(200);
    expect(body.choices[0].finish_reason).toMatch(/stop|length/);
    expect(work.calls()).toBe(before + 1);
  });

  test('that is to be cancelled with its caller lets its server go', async () => {
    const headers = { ...newKey(), 'x-citadel-on-disconnect': 'cancel' };
    const leave = new AbortController();
    const left = stream(chat(SLOW_MODEL), headers, leave.signal).catch(() => {});
    await waitFor(() => work.citadel.model.openCalls() === 1, 'the model works');

    leave.abort();
    await left;

    await waitFor(() => work.citadel.model.openCalls() === 0, 'the server is let go');
    expect(await post(CHAT, chat(SLOW_MODEL), headers)).toMatchObject({
      status: 409,
      body: errorOf('conflict'),
    });
  });

  test('streams to all who join it, each from its beginning, and again to those who come after its end', async () => {
    const headers = newKey();
    const body = chat(BRIEF_MODEL, 'Hi', { stream: true, stream_options: { include_usage: true } });
    const before = work.calls();

    const first = stream(body, headers);
    await waitFor(() => work.citadel.model.openCalls() === 1, 'the model speaks');
    const [one, two] = await Promise.all([first, stream(body, headers)]);
    const three = await stream(body, headers);

    expect(work.calls()).toBe(before + 1);
    const said = [one, two, three].map(({ events }) => contentOf(events));
    expect(said[0]).not.toBe('');
    expect(new Set(said).size).toBe(1);
    for (const { response, events } of [one, two, three]) {
      expect(response.status).toBe(200);
      expect(events.at(-1)).toBe('[DONE]');
      const chunks = events.slice(0, -1).map((event) => JSON.parse(event));
      expect(new Set(chunks.map(({ id, created, model }) => `${id} ${created} ${model}`)).size).toBe(1);
      expect(chunks[0]).toMatchObject({
        object: 'chat.completion.chunk',
        choices: [{ delta: { role: 'assistant' } }],
      });
      expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { total_tokens: expect.any(Number) } });
      expect(chunks.at(-2)?.choices[0].finish_reason).toMatch(/stop|length/);
    }
    expect(one.events.length).toBeGreaterThan(10);
    const ids = [one, three].map(({ events }) => JSON.parse(events[0] ?? '{}').id);
    expect(ids[1]).toBe(ids[0]);
  });

  test('that its caller got wrong is the same error again, without another call', async () => {
    const headers = newKey();
    const first = await post(CHAT, chat(BAD_MODEL), headers);
    const before = work.calls();
    const second = await post(CHAT, chat(BAD_MODEL), headers);

    expect(first.status).toBe(400);
    expect(second).toMatchObject({ status: first.status, body: first.body });
    expect(work.calls()).toBe(before);
  });

  test('that failed for a while is tried again by the next request with its key', async () => {
    const headers = newKey();
    work.citadel.model.setFault('error-500');
    const failing = await post(CHAT, chat(CHAT_MODEL), { ...headers, 'x-citadel-on-disconnect': 'finish' });
    work.citadel.model.setFault(undefined);
    expect(failing.status).toBeGreaterThanOrEqual(500);

    const again = await waitFor(
      async () => {
        const answer = await post(CHAT, chat(CHAT_MODEL), headers);
        return answer.status === 200 ? answer : null;
      },
      'it is answered',
      20_000,
    );

    expect(again.headers.get('x-citadel-job-id')).toBe(failing.headers.get('x-citadel-job-id'));
  });

  test('of an unknown model, or with a wrong field, keeps nothing', async () => {
    const headers = newKey();

    expect((await post(CHAT, chat('none'), headers)).status).toBe(404);
    expect((await post(CHAT, { model: CHAT_MODEL }, headers)).status).toBe(400);
    expect((await post(CHAT, chat(CHAT_MODEL), headers)).status).toBe(200);
  });

  test('completions and embeddings are answered once, too', async () => {
    for (const [path, body] of [
      ['/v1/completions', { model: CHAT_MODEL, prompt: 'Once' }],
      ['/v1/embeddings', { model: 'sim-embed', input: ['a', 'b'], encoding_format: 'base64' }],
    ] as const) {
      const headers = newKey();
      const before = work.calls();
      const [first, second] = [await post(path, body, headers), await post(path, body, headers)];

      expect(first.status).toBe(200);
      expect(second.body).toEqual(first.body);
      expect(work.calls()).toBe(before + 1);
    }
  });

  test('streams a completion again as it was', async () => {
    const headers = newKey();
    const body = { model: CHAT_MODEL, prompt: 'Once', stream: true };
    const texts: string[] = [];
    for (const _ of [1, 2]) {
      const response = await work.citadel.post('/v1/completions', body, { headers });
      const events = readEvents(await response.text());
      expect(events.at(-1)).toBe('[DONE]');
      texts.push(
        events
          .slice(0, -1)
          .map((event) => JSON.parse(event).choices[0].text)
          .join(''),
      );
    }
    expect(texts[1]).toBe(texts[0]);
  });
});

describe('x-citadel-on-disconnect', () => {
  test('finish lets a call without a key go on when its caller leaves', async () => {
    const leave = new AbortController();
    const headers = { 'x-citadel-on-disconnect': 'finish' };
    const body = chat(BRIEF_MODEL, 'finish it', { stream: true });
    const response = await work.citadel.post(CHAT, body, { headers, signal: leave.signal });
    const seen = work.citadel.model.calls().at(-1);

    leave.abort();
    await response.text().catch(() => {});

    await waitFor(() => seen?.finished || seen?.aborted, 'the call has ended');
    expect(seen).toMatchObject({ finished: true, aborted: false });
  });

  test('takes cancel or finish', async () => {
    expect(await post(CHAT, chat(CHAT_MODEL), { 'x-citadel-on-disconnect': 'wait' })).toMatchObject({
      status: 400,
      body: errorOf('invalid_request', { param: 'x-citadel-on-disconnect' }),
    });
  });
});
