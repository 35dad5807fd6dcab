import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { waitFor } from '../support/wait-for.ts';
import { errorOf, START_LIMIT_MS } from './setup.ts';
import { BAD_MODEL, CHAT_MODEL, RUNS, SLOW_MODEL, setupWork, type WorkBundle } from './work-bundle.ts';

const RFC3339 = expect.stringMatching(/^\d{4}-\d\d-\d\dT/);
const say = (id: string, model = CHAT_MODEL) => ({
  id,
  type: 'chat',
  model,
  messages: [{ role: 'user', content: '${{ input.text }}' }],
});
const APPROVAL = {
  name: 'approval',
  steps: [
    { id: 'ok', type: 'approve' },
    { id: 'answer', type: 'transform', value: '${{ steps.ok.output }}' },
  ],
};

let work: WorkBundle;

beforeAll(async () => {
  work = await setupWork();
}, START_LIMIT_MS);
afterAll(() => work.citadel.stop());

async function start(definition: object, rest: object = {}) {
  const { status, body } = await work.ask('POST', RUNS, { definition, ...rest });
  if (status !== 202) throw new Error(JSON.stringify(body));
  return { id: body.id as string, path: `${RUNS}/${body.id}` };
}

const untilStatus = (path: string, status: string) =>
  waitFor(async () => (await work.ask('GET', path)).body.status === status, `${path} is ${status}`);

describe('a run', () => {
  test('is accepted with its links, and shows its steps and its output when it has ended', async () => {
    const definition = {
      name: 'echo',
      steps: [say('draft'), { id: 'size', type: 'transform', value: '${{ size(steps.draft.output.text) }}' }],
      output: { size: '${{ steps.size.output }}' },
    };
    const wanted = { definition, input: { text: 'Hi' }, tags: ['blue'], metadata: { order: 7 } };
    const { status, headers, body } = await work.ask('POST', RUNS, wanted);

    expect(status).toBe(202);
    const self = `${RUNS}/${body.id}`;
    expect(headers.get('location')).toBe(self);
    expect(body).toEqual({
      id: expect.stringMatching(/^run_/),
      object: 'workflow.run',
      workflow: 'echo',
      status: 'queued',
      created_at: RFC3339,
      links: { self, events: `${self}/events`, result: `${self}/result`, cancel: `${self}/cancel` },
    });
    const run = await work.untilEnded(self);
    expect(run).toMatchObject({
      id: body.id,
      object: 'workflow.run',
      workflow: 'echo',
      definition_hash: expect.stringMatching(/^[0-9a-f]{64}$/),
      status: 'succeeded',
      input: { text: 'Hi' },
      output: { size: expect.any(Number) },
      error: null,
      tags: ['blue'],
      metadata: { order: 7 },
      created_at: RFC3339,
    });
    expect(run.steps).toEqual([
      {
        id: 'draft',
        status: 'succeeded',
        attempts: 1,
        started_at: RFC3339,
        finished_at: RFC3339,
        output: expect.objectContaining({ text: expect.any(String), finish_reason: 'stop' }),
        error: null,
      },
      expect.objectContaining({ id: 'size', status: 'succeeded', output: run.output.size }),
    ]);
  });

  test('gives its result to who waits for it: 202 before its end, 200 after', async () => {
    const { id, path } = await start(APPROVAL);

    expect(await work.ask('GET', `${path}/result`)).toMatchObject({
      status: 202,
      body: { id, output: null },
    });
    expect(await work.ask('GET', `${path}/result?wait_ms=50`)).toMatchObject({ status: 202 });
    const waiting = work.ask('GET', `${path}/result?wait_ms=20000`);
    await work.ask('POST', `${path}/signals/ok`, { approved: true });

    expect(await waiting).toMatchObject({
      status: 200,
      body: { id, status: 'succeeded', output: { approved: true }, error: null },
    });
    expect(await work.ask('GET', `${path}/result?wait_ms=soon`)).toMatchObject({
      status: 400,
      body: errorOf('invalid_request', { param: 'wait_ms' }),
    });
  });

  test('takes an approval once: a second one, and any to a run that has ended, is a conflict', async () => {
    const { path } = await start(APPROVAL);
    await untilStatus(path, 'waiting');

    expect(await work.ask('POST', `${path}/signals/none`, {})).toMatchObject({ status: 404 });
    const signals = await Promise.all([1, 2].map((by) => work.ask('POST', `${path}/signals/ok`, { by })));
    expect(signals.map(({ status }) => status).sort()).toEqual([200, 409]);
    await work.untilEnded(path);
    expect(await work.ask('POST', `${path}/signals/ok`, {})).toMatchObject({
      status: 409,
      body: errorOf('conflict'),
    });
  });

  test.each([
    ['true', true],
    ['', null],
    ['[1]', [1]],
  ])('takes a signal whose body is %j', async (body, output) => {
    const { path } = await start(APPROVAL);

    const { status } = await work.ask('POST', `${path}/signals/ok`, body === '' ? undefined : body);

    expect(status).toBe(200);
    expect(await work.untilEnded(path)).toMatchObject({ status: 'succeeded', output });
  });

  test('that is paused goes on when it is resumed', async () => {
    const { path } = await start({ ...APPROVAL, name: 'pause' });
    await untilStatus(path, 'waiting');

    expect(await work.ask('POST', `${path}/pause`)).toMatchObject({
      status: 200,
      body: { status: 'paused' },
    });
    expect(await work.ask('POST', `${path}/resume`)).toMatchObject({ status: 200 });
    await work.ask('POST', `${path}/signals/ok`, 1);
    expect(await work.untilEnded(path)).toMatchObject({ output: 1 });
    expect(await work.ask('POST', `${path}/pause`)).toMatchObject({ status: 409, body: errorOf('conflict') });
  });

  test('that is cancelled stops its model calls within 250 ms and ends', async () => {
    const times: number[] = [];
    for (const text of ['a', 'b', 'c']) {
      const { path } = await start({ name: 'slow', steps: [say('draft', SLOW_MODEL)] }, { input: { text } });
      await waitFor(() => work.citadel.model.openCalls() === 1, 'the server works');

      const cancelledMs = performance.now();
      expect(await work.ask('POST', `${path}/cancel`)).toMatchObject({ status: 200 });
      await waitFor(() => work.citadel.model.openCalls() === 0, 'the server is let go');
      times.push(performance.now() - cancelledMs);
      expect(await work.untilEnded(path)).toMatchObject({ status: 'cancelled' });
    }

    // The best of them, since the machine may be busy with something else.
    expect(Math.min(...times)).toBeLessThan(250);
  });

  test('that has failed goes on from its failed step when it is retried, and may be forked with other fields', async () => {
    const steps = [
      { id: 'first', type: 'transform', value: 'kept' },
      { ...say('draft', BAD_MODEL), after: ['first'] },
    ];
    const { id, path } = await start(
      { name: 'bad', steps, output: '${{ steps.first.output }}' },
      { input: { text: 'x' } },
    );
    expect(await work.untilEnded(path)).toMatchObject({
      status: 'failed',
      error: { code: expect.any(String) },
    });

    const before = work.calls();
    expect(await work.ask('POST', `${path}/retry`)).toMatchObject({ status: 200 });
    await work.untilEnded(path);
    expect(work.calls()).toBe(before + 1);

    const fork = { from_step: 'draft', set: { steps: { draft: { model: CHAT_MODEL } } } };
    const forked = await work.ask('POST', `${path}/fork`, fork);
    expect(forked).toMatchObject({ status: 202, body: { object: 'workflow.run', status: 'queued' } });
    expect(await work.untilEnded(`${RUNS}/${forked.body.id}`)).toMatchObject({
      status: 'succeeded',
      forked_from: id,
      output: 'kept',
    });
    expect(await work.ask('POST', `${path}/fork`, {})).toMatchObject({
      status: 400,
      body: errorOf('invalid_request', { param: 'from_step' }),
    });
  });

  test.each([
    [{}, 'invalid_request', null],
    [{ workflow: 'a', definition: {} }, 'invalid_request', null],
    [{ definition: { name: 'x', steps: [] } }, 'invalid_request', '$.steps'],
    [
      {
        definition: { name: 'x', steps: [{ id: 'a', type: 'chat', model: 'm', messages: [], after: ['b'] }] },
      },
      'invalid_request',
      expect.stringMatching(/^\$\.steps\[0\]/),
    ],
    [
      {
        definition: {
          name: 'x',
          input: { type: 'object', required: ['text'] },
          steps: [{ id: 'a', type: 'transform', value: 1 }],
        },
        input: {},
      },
      'invalid_request',
      expect.stringMatching(/^input/),
    ],
  ])('that is wrong is refused at its start: %j', async (body, code, param) => {
    const answer = await work.ask('POST', RUNS, body);

    expect(answer.status).toBe(400);
    expect(answer.body.error).toMatchObject({ code, param });
  });

  test('of a workflow that is not there is a 404, and so is an unknown run, wherever it is asked for', async () => {
    expect(await work.ask('POST', RUNS, { workflow: 'none' })).toMatchObject({
      status: 404,
      body: errorOf('not_found', { param: 'workflow' }),
    });
    for (const [method, path] of [
      ['GET', ''],
      ['GET', '/events'],
      ['GET', '/result'],
      ['POST', '/cancel'],
      ['POST', '/signals/ok'],
    ] as const) {
      const answer = await work.ask(method, `${RUNS}/run_none${path}`);
      expect(answer).toMatchObject({ status: 404, body: errorOf('not_found') });
    }
  });
});

describe('a list of runs', () => {
  test('holds the newest first, by status, workflow, tag and time', async () => {
    const definition = { name: 'listed', steps: [{ id: 'a', type: 'transform', value: 1 }] };
    const first = await start(definition, { tags: ['red'] });
    const second = await start(definition);
    await work.untilEnded(second.path);
    await work.untilEnded(first.path);

    const idsOf = async (query: string) => {
      const { body } = await work.ask('GET', `${RUNS}?workflow=listed&${query}`);
      return body.data.map(({ id }: { id: string }) => id);
    };
    expect(await idsOf('')).toEqual([second.id, first.id]);
    expect(await idsOf('status=succeeded&tag=red')).toEqual([first.id]);
    expect(await idsOf('status=waiting')).toEqual([]);
    expect(await idsOf(`limit=1&after=${second.id}`)).toEqual([first.id]);
    expect(await idsOf(`since=${new Date(Date.now() + 60_000).toISOString()}`)).toEqual([]);
    expect(await work.ask('GET', `${RUNS}?since=yesterday`)).toMatchObject({
      status: 400,
      body: errorOf('invalid_request', { param: 'since' }),
    });
  });
});

describe('a definition', () => {
  const PATH = `${RUNS}/definitions/greet`;
  const definition = { steps: [{ id: 'a', type: 'transform', value: 1 }] };

  test('has versions by its content; the newest is started by its name, and an old one can be read', async () => {
    const first = await work.ask('PUT', PATH, definition);
    expect(first).toMatchObject({
      status: 200,
      body: { name: 'greet', version: 1, hash: expect.any(String) },
    });
    expect((await work.ask('PUT', PATH, definition)).body).toMatchObject({ version: 1 });
    const changed = { name: 'greet', steps: [{ id: 'a', type: 'transform', value: 2 }] };
    expect((await work.ask('PUT', PATH, changed)).body).toMatchObject({ version: 2 });

    const { body } = await work.ask('POST', RUNS, { workflow: 'greet' });
    expect(await work.untilEnded(`${RUNS}/${body.id}`)).toMatchObject({ workflow: 'greet', output: 2 });
    expect((await work.ask('GET', PATH)).body).toMatchObject({ version: 2, definition: changed });
    expect((await work.ask('GET', `${PATH}?version=1`)).body).toMatchObject({
      version: 1,
      hash: first.body.hash,
    });
    const list = await work.ask('GET', `${RUNS}/definitions`);
    expect(list.body).toMatchObject({
      object: 'list',
      data: [{ name: 'greet', version: 2 }],
      has_more: false,
    });

    expect(await work.ask('DELETE', PATH)).toMatchObject({
      status: 200,
      body: { name: 'greet', deleted: true },
    });
    for (const method of ['GET', 'DELETE']) {
      expect(await work.ask(method, PATH)).toMatchObject({ status: 404, body: errorOf('not_found') });
    }
  });

  test('that is wrong is refused with the path of what is wrong', async () => {
    const wrong = { steps: [{ id: 'a', type: 'transform', value: '${{ steps.b.output }}' }] };

    expect(await work.ask('PUT', PATH, wrong)).toMatchObject({
      status: 400,
      body: { error: { code: 'invalid_request', param: '$.steps[0].value' } },
    });
    expect(await work.ask('PUT', PATH, { ...definition, name: 'other' })).toMatchObject({
      status: 400,
      body: errorOf('invalid_request', { param: '$.name' }),
    });
  });

  test('is validated without being kept: all problems at once, or the plan', async () => {
    const wrong = {
      name: 'x',
      steps: [
        { id: 'a', type: 'dance' },
        { id: 'a', type: 'transform', value: 1, after: ['c'] },
      ],
    };
    const refused = await work.ask('POST', `${RUNS}/validate`, wrong);

    expect(refused).toMatchObject({ status: 200, body: { valid: false, plan: null } });
    expect(refused.body.errors.map(({ path }: { path: string }) => path)).toEqual(
      expect.arrayContaining(['$.steps[0].type']),
    );
    const right = { name: 'x', steps: [say('a'), { ...say('b'), after: ['a'] }] };
    expect(await work.ask('POST', `${RUNS}/validate`, right)).toMatchObject({
      status: 200,
      body: { valid: true, errors: [], plan: { order: [['a'], ['b']], calls_max: 2 } },
    });
  });
});
