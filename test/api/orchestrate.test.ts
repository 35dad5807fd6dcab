import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { chat } from '../support/citadel.ts';
import { waitFor } from '../support/wait-for.ts';
import { errorOf, START_LIMIT_MS } from './setup.ts';
import { BAD_MODEL, CHAT_MODEL, JOBS, RUNS, SLOW_MODEL, setupWork, type WorkBundle } from './work-bundle.ts';

const RFC3339 = expect.stringMatching(/^\d{4}-\d\d-\d\dT/);

/** A call that went well, to the only server. */
const CALLED = [
  { at: RFC3339, event: 'taken' },
  {
    at: RFC3339,
    event: 'attempt',
    server: 'sim',
    attempt: 1,
    reason: 'least load 0.00 of 1',
    candidates: [{ server: 'sim', score: 0, reason: 'chosen: 0 calls in flight' }],
  },
  { at: RFC3339, event: 'first_token', server: 'sim', attempt: 1 },
];

let work: WorkBundle;

beforeAll(async () => {
  work = await setupWork();
}, START_LIMIT_MS);
afterAll(() => work.citadel.stop());

const submit = (kind: string, request: object, rest: object = {}) =>
  work.ask('POST', JOBS, { kind, request, ...rest });

describe('a job', () => {
  test('is accepted with its id and its links, and has the answer of its endpoint as its result', async () => {
    const { status, headers, body } = await submit('chat', chat(CHAT_MODEL), { metadata: { order: 7 } });

    expect(status).toBe(202);
    const self = `${JOBS}/${body.id}`;
    expect(headers.get('location')).toBe(self);
    expect(body).toEqual({
      id: expect.stringMatching(/^job_/),
      object: 'job',
      kind: 'chat',
      class: 'lightweight',
      status: 'queued',
      position: 1,
      created_at: RFC3339,
      links: { self, events: `${self}/events`, cancel: `${self}/cancel` },
    });
    const job = await work.untilEnded(self);
    expect(job).toMatchObject({
      id: body.id,
      kind: 'chat',
      class: 'lightweight',
      model: CHAT_MODEL,
      status: 'succeeded',
      error: null,
      metadata: { order: 7 },
      result: { object: 'chat.completion', choices: [{ message: { role: 'assistant' } }] },
    });
  });

  test('tells in its timeline when it was queued, which server was called and why, and when it was done', async () => {
    const { body } = await submit('chat', chat(CHAT_MODEL));
    const { timeline } = await work.untilEnded(`${JOBS}/${body.id}`);

    expect(timeline).toEqual([
      { at: RFC3339, event: 'queued' },
      { at: RFC3339, event: 'started', attempt: 1 },
      ...CALLED,
      { at: RFC3339, event: 'done' },
    ]);
    const times = timeline.map(({ at }: { at: string }) => at);
    expect(times).toEqual(times.toSorted());
  });

  test('and a chat step of a workflow tell alike why their server was chosen', async () => {
    const step = { id: 'ask', type: 'chat', ...chat(CHAT_MODEL) };
    const run = await work.ask('POST', RUNS, { definition: { name: 'one', steps: [step] } });
    await work.untilEnded(`${RUNS}/${run.body.id}`);

    const { status, body } = await work.ask('GET', `${RUNS}/${run.body.id}/timeline`);

    expect(status).toBe(200);
    expect(body).toEqual({
      object: 'list',
      data: [
        { at: RFC3339, event: 'queued' },
        { at: RFC3339, step: 'ask', event: 'started', attempt: 1 },
        ...CALLED.map((entry) => ({ ...entry, step: 'ask' })),
        { at: RFC3339, event: 'done' },
      ],
    });
  });

  test.each([
    ['completion', { model: CHAT_MODEL, prompt: 'Once' }, { object: 'text_completion' }],
    ['embedding', { model: 'sim-embed', input: ['a', 'b'] }, { object: 'list', data: [{}, {}] }],
  ])('may be of the kind %s', async (kind, request, result) => {
    const { body } = await submit(kind, request);

    expect(await work.untilEnded(`${JOBS}/${body.id}`)).toMatchObject({ kind, status: 'succeeded', result });
  });

  test('may be a workflow, whose output and run it then names', async () => {
    const definition = {
      name: 'add',
      steps: [{ id: 'sum', type: 'transform', value: '${{ input.a + 1 }}' }],
    };
    const { status, body } = await submit('workflow', { definition, input: { a: 1 } });

    expect(status).toBe(202);
    expect(body).toMatchObject({ kind: 'workflow', class: 'workflow', position: null });
    const job = await work.untilEnded(`${JOBS}/${body.id}`);
    expect(job).toMatchObject({ status: 'succeeded', result: { run_id: job.run_id, output: 2 } });
    const run = await work.ask('GET', `/api/v1/workflows/${job.run_id}`);
    expect(run).toMatchObject({ status: 200, body: { workflow: 'add', output: 2 } });
  });

  test('sends the inner request on as it was written', async () => {
    const request = `{"model":"${CHAT_MODEL}","seed":12345678901234567890,"messages":[{"role":"user","content":"Hi"}]}`;
    const { body } = await work.ask('POST', JOBS, `{"kind":"chat","request":${request}}`);

    await work.untilEnded(`${JOBS}/${body.id}`);

    expect(work.citadel.model.calls().at(-1)?.body).toContain('"seed":12345678901234567890');
  });

  test('that its server refuses fails with the error of its endpoint, and can be tried again', async () => {
    const { body } = await submit('chat', chat(BAD_MODEL));
    const path = `${JOBS}/${body.id}`;

    const job = await work.untilEnded(path);
    expect(job).toMatchObject({
      status: 'failed',
      result: null,
      error: { message: expect.any(String), type: expect.any(String), param: null, code: expect.any(String) },
    });
    expect(job.timeline.at(-2)).toMatchObject({ event: 'failed', attempt: 1 });

    const before = work.calls();
    expect(await work.ask('POST', `${path}/retry`)).toMatchObject({ status: 200, body: { id: body.id } });
    await work.untilEnded(path);
    expect(work.calls()).toBeGreaterThan(before);
  });

  test('that has not failed cannot be tried again, and one that has ended cannot be cancelled', async () => {
    const { body } = await submit('chat', chat(CHAT_MODEL));
    const path = `${JOBS}/${body.id}`;
    await work.untilEnded(path);

    expect(await work.ask('POST', `${path}/retry`)).toMatchObject({ status: 409, body: errorOf('conflict') });
    expect(await work.ask('POST', `${path}/cancel`)).toMatchObject({
      status: 409,
      body: errorOf('conflict'),
    });
  });

  test('that runs is cancelled at once, and its server let go; a second time changes nothing', async () => {
    const { body } = await submit('chat', chat(SLOW_MODEL));
    const path = `${JOBS}/${body.id}`;
    await waitFor(() => work.citadel.model.openCalls() === 1, 'the server works');

    const cancelled = await work.ask('POST', `${path}/cancel`);

    expect(cancelled).toMatchObject({ status: 200, body: { id: body.id, status: 'cancelled' } });
    await waitFor(() => work.citadel.model.openCalls() === 0, 'the server is let go');
    expect(await work.ask('POST', `${path}/cancel`)).toMatchObject({ status: 200 });
    expect(await work.ask('GET', path)).toMatchObject({ body: { status: 'cancelled', result: null } });
  });

  test('that is not done by its deadline fails with deadline_exceeded', async () => {
    const { body } = await submit('chat', chat(SLOW_MODEL), { deadline_ms: 300 });

    expect(await work.untilEnded(`${JOBS}/${body.id}`)).toMatchObject({
      status: 'failed',
      error: { code: 'deadline_exceeded' },
    });
  });
});

test('a retry has as much time to its deadline as the job had at first, each time', async () => {
  const { body } = await submit('chat', chat(SLOW_MODEL), { deadline_ms: 400 });
  const path = `${JOBS}/${body.id}`;
  for (let turn = 0; turn < 2; turn++) {
    await work.untilEnded(path);
    const calls = work.calls();

    expect(await work.ask('POST', `${path}/retry`)).toMatchObject({ status: 200, body: { error: null } });
    const job = await work.untilEnded(path);
    expect(job).toMatchObject({ status: 'failed', error: { code: 'deadline_exceeded' } });
    expect(work.calls()).toBe(calls + 1);
    const { at } = job.timeline.findLast(({ event }: { event: string }) => event === 'started');
    const leftMs = Date.parse(job.deadline_at) - Date.parse(at);
    expect(leftMs).toBeGreaterThan(200);
    expect(leftMs).toBeLessThanOrEqual(400);
  }
});

describe('a list of jobs', () => {
  test('holds the newest first, in pages, by status and by kind', async () => {
    const first = (await submit('embedding', { model: 'sim-embed', input: 'a' })).body.id;
    const second = (await submit('embedding', { model: 'sim-embed', input: 'b' })).body.id;
    await work.untilEnded(`${JOBS}/${second}`);
    await work.untilEnded(`${JOBS}/${first}`);

    const page = (await work.ask('GET', `${JOBS}?kind=embedding&status=succeeded&limit=1`)).body;
    expect(page).toMatchObject({
      object: 'list',
      first_id: second,
      last_id: second,
      has_more: true,
      data: [{ id: second, object: 'job', kind: 'embedding', status: 'succeeded', class: 'embedding' }],
    });
    const next = await work.ask('GET', `${JOBS}?kind=embedding&limit=1&after=${second}`);
    expect(next.body.data).toMatchObject([{ id: first }]);
    expect((await work.ask('GET', `${JOBS}?kind=embedding&status=cancelled`)).body).toMatchObject({
      data: [],
      has_more: false,
    });
  });

  test.each([
    ['status=lost', 'status'],
    ['kind=poem', 'kind'],
    ['limit=0', 'limit'],
  ])('with %s is refused', async (query, param) => {
    expect(await work.ask('GET', `${JOBS}?${query}`)).toMatchObject({
      status: 400,
      body: errorOf('invalid_request', { param }),
    });
  });
});

describe('what is wrong with a job is said when it is submitted', () => {
  test.each([
    [{ kind: 'poem', request: {} }, 400, 'invalid_request', 'kind'],
    [{ kind: 'chat' }, 400, 'invalid_request', 'request'],
    [{ kind: 'chat', request: { model: CHAT_MODEL } }, 400, 'invalid_request', 'request.messages'],
    [
      { kind: 'chat', request: { model: CHAT_MODEL, messages: [{}] } },
      400,
      'invalid_request',
      'request.messages[0].role',
    ],
    [{ kind: 'chat', request: chat('none') }, 404, 'model_not_found', 'request.model'],
    [
      { kind: 'embedding', request: { model: 'sim-embed', input: '' } },
      400,
      'invalid_request',
      'request.input',
    ],
    [{ kind: 'chat', request: chat(CHAT_MODEL), deadline_ms: 0 }, 400, 'invalid_request', 'deadline_ms'],
    [{ kind: 'chat', request: chat(CHAT_MODEL), priority: 'now' }, 400, 'invalid_request', 'priority'],
    [{ kind: 'chat', request: chat(CHAT_MODEL), urgency: 1 }, 400, 'invalid_request', 'urgency'],
    [{ kind: 'rag_query', request: {} }, 400, 'invalid_request', 'request.collection'],
    [{ kind: 'workflow', request: { workflow: 'none' } }, 404, 'not_found', 'request.workflow'],
    [{ kind: 'workflow', request: {} }, 400, 'invalid_request', 'request'],
    [
      { kind: 'workflow', request: { definition: { name: 'x', steps: [{ id: 'a', type: 'dance' }] } } },
      400,
      'invalid_request',
      '$.steps[0].type',
    ],
    [
      { kind: 'chat', request: chat(CHAT_MODEL), webhook: { url: 'https://example.com/' } },
      400,
      'invalid_request',
      'webhook.secret',
    ],
    [
      { kind: 'chat', request: chat(CHAT_MODEL), webhook: { url: 'ftp://example.com/' } },
      400,
      'invalid_request',
      'webhook.url',
    ],
  ])('%j', async (body, status, code, param) => {
    expect(await work.ask('POST', JOBS, body)).toMatchObject({ status, body: errorOf(code, { param }) });
  });

  test('an unknown job is a 404 wherever it is asked for, and a run is no job', async () => {
    const definition = { name: 'none', steps: [{ id: 'a', type: 'transform', value: 1 }] };
    const run = await work.ask('POST', '/api/v1/workflows', { definition });
    for (const id of ['job_none', run.body.id]) {
      for (const [method, path] of [
        ['GET', `${JOBS}/${id}`],
        ['GET', `${JOBS}/${id}/events`],
        ['POST', `${JOBS}/${id}/cancel`],
        ['POST', `${JOBS}/${id}/retry`],
      ] as const) {
        expect(await work.ask(method, path)).toMatchObject({ status: 404, body: errorOf('not_found') });
      }
    }
    expect(await work.ask('DELETE', JOBS)).toMatchObject({
      status: 405,
      body: errorOf('method_not_allowed'),
    });
  });
});
