import { describe, expect, test } from '@jest/globals';
import { CitadelError } from '../../sdk/citadel-error.ts';
import { createClient } from '../../sdk/client.ts';
import { workflow } from '../../sdk/workflow.ts';
import { sendJson } from '../support/scripted-server.ts';
import { inTurn, setupClient } from './setup.ts';

const RUNS = '/api/v1/workflows';
const RESULT = `${RUNS}/run_1/result?wait_ms=30000`;
const ACCEPTED = { id: 'run_1', object: 'workflow.run', status: 'queued' };

function errorBody(code: string, param: string | null = null) {
  return { error: { message: `It is ${code}.`, type: 'error', param, code } };
}

describe('runs', () => {
  test('a run is started with what was asked, once, and gives its output', async () => {
    const { client, server } = await setupClient(
      {
        [RUNS]: (res) => sendJson(res, ACCEPTED, 202),
        [RESULT]: (res) =>
          sendJson(res, { id: 'run_1', status: 'succeeded', output: { answer: 42 }, error: null }),
      },
      { apiKey: 'secret' },
    );
    const one = workflow<{ n: number }, { answer: number }>('one', {}, (w) => ({ answer: w.input.n }));

    const run = await client.runs.start(one, { n: 42 }, { tags: ['t'], deadlineMs: 5_000, priority: 'high' });
    const output = await run.result();

    expect(run.id).toBe('run_1');
    expect(output.answer).toBe(42);
    const [started] = server.requests;
    expect(JSON.parse(started?.body ?? '')).toEqual({
      definition: { name: 'one', steps: [], output: { answer: `\${{ input.n }}` } },
      input: { n: 42 },
      tags: ['t'],
      deadline_ms: 5_000,
      priority: 'high',
    });
    expect(started?.headers).toMatchObject({
      authorization: 'Bearer secret',
      'content-type': 'application/json',
      'idempotency-key': expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
  });

  test('a start whose answer was lost is sent again with the same key', async () => {
    const answer = inTurn<'cut' | 'whole'>('cut', 'whole');
    const { client, server } = await setupClient({
      [RUNS]: (res, { socket }) => (answer() === 'cut' ? socket.destroy() : sendJson(res, ACCEPTED, 202)),
    });

    const run = await client.runs.start('stored', null);

    expect(run.id).toBe('run_1');
    const keys = server.requests.map(({ headers }) => headers['idempotency-key']);
    expect(keys).toHaveLength(2);
    expect(keys[0]).toBe(keys[1]);
    expect(JSON.parse(server.requests[0]?.body ?? '')).toEqual({ workflow: 'stored', input: null });
  });

  test('a result is asked for until the run has ended', async () => {
    const answer = inTurn<[string, number]>(['running', 202], ['running', 202], ['succeeded', 200]);
    const { client, server } = await setupClient({
      [RESULT]: (res) => {
        const [status, code] = answer();
        sendJson(res, { id: 'run_1', status, output: 'done', error: null }, code);
      },
    });

    const output = await client.runs.open('run_1').result();

    expect(output).toBe('done');
    expect(server.requests).toHaveLength(3);
  });

  test('a run that failed throws its own error', async () => {
    const error = { code: 'deadline_exceeded', message: 'Too late.' };
    const { client } = await setupClient({
      [RESULT]: (res) => sendJson(res, { id: 'run_1', status: 'failed', output: null, error }),
    });

    const failure = await client.runs
      .open('run_1')
      .result()
      .catch((thrown: unknown) => thrown);

    expect(failure).toBeInstanceOf(CitadelError);
    expect(failure).toMatchObject({
      message: 'Too late.',
      code: 'deadline_exceeded',
      status: null,
      runId: 'run_1',
    });
  });

  test('steering goes to the routes of the run', async () => {
    const paths = ['cancel', 'pause', 'resume', 'retry', 'signals/yes'].map((end) => `${RUNS}/run_1/${end}`);
    const { client, server } = await setupClient({
      ...Object.fromEntries(paths.map((path) => [path, (res) => sendJson(res, ACCEPTED)])),
      [`${RUNS}/run_1/fork`]: (res) => sendJson(res, { ...ACCEPTED, id: 'run_2' }, 202),
    });
    const run = client.runs.open('run_1');

    await run.cancel();
    await run.pause();
    await run.resume();
    await run.retry();
    await run.signal('yes', { by: 'me' });
    const fork = await run.fork('draft', { steps: { draft: { model: 'phi3' } } });

    expect(server.requests.map(({ method, path, body }) => [method, path, body])).toEqual([
      ...paths.slice(0, 4).map((path) => ['POST', path, '']),
      ['POST', paths[4], '{"by":"me"}'],
      ['POST', `${RUNS}/run_1/fork`, '{"from_step":"draft","set":{"steps":{"draft":{"model":"phi3"}}}}'],
    ]);
    expect(fork.id).toBe('run_2');
  });

  test('a signal whose answer was lost is not sent again', async () => {
    const { client, server } = await setupClient({
      [`${RUNS}/run_1/signals/yes`]: (_, { socket }) => void socket.destroy(),
    });

    const sent = client.runs.open('run_1').signal('yes');

    await expect(sent).rejects.toMatchObject({ code: 'connection_failed', status: null });
    expect(server.requests).toHaveLength(1);
  });
});

describe('errors', () => {
  test('a refusal has the status, code and param of the answer', async () => {
    const { client } = await setupClient({
      [RUNS]: (res) => {
        res.setHeader('x-request-id', 'req_1');
        sendJson(res, errorBody('invalid_request', '$.steps[0].when'), 400);
      },
    });

    const started = client.runs.start({ name: 'bad', steps: [] });

    await expect(started).rejects.toMatchObject({
      name: 'CitadelError',
      message: 'It is invalid_request.',
      status: 400,
      code: 'invalid_request',
      param: '$.steps[0].when',
      requestId: 'req_1',
    });
  });

  test('what the server has not done is sent again after the time that it names', async () => {
    const answer = inTurn(503, 200);
    const { client, server } = await setupClient({
      [`${RUNS}/run_1/cancel`]: (res) => {
        res.setHeader('retry-after', '0');
        sendJson(res, errorBody('store_unavailable'), answer());
      },
    });

    await client.runs.open('run_1').cancel();

    expect(server.requests).toHaveLength(2);
  });

  test('it gives up after its retries', async () => {
    const { client, server } = await setupClient(
      { [`${RUNS}/run_1`]: (res) => sendJson(res, 'not JSON at all', 502) },
      { retriesMax: 1 },
    );

    const asked = client.runs.open('run_1').get();

    await expect(asked).rejects.toMatchObject({ status: 502, message: 'Citadel answered 502.', code: null });
    expect(server.requests).toHaveLength(2);
  });

  test('a server that is not there is an error that names it', async () => {
    const { client, server } = await setupClient({}, { retriesMax: 0 });
    await server.close();

    const asked = client.definitions.list();

    await expect(asked).rejects.toMatchObject({
      code: 'connection_failed',
      message: expect.stringContaining(server.origin),
    });
  });

  test('an abort ends a wait with its own reason', async () => {
    const { client, server } = await setupClient({ [RESULT]: () => {} });
    const controller = new AbortController();

    const waiting = client.runs.open('run_1').outcome({ signal: controller.signal });
    controller.abort(new Error('enough'));

    await expect(waiting).rejects.toThrow('enough');
    expect(server.requests.length).toBeLessThanOrEqual(1);
  });

  test('the default address is that of a Citadel on this machine', () => {
    expect(Object.keys(createClient())).toEqual(['runs', 'jobs', 'definitions', 'schedules']);
  });
});

describe('jobs, definitions and schedules', () => {
  test('each call is the request of its route', async () => {
    const handlers = [
      '/api/v1/orchestrate',
      '/api/v1/orchestrate?kind=chat&limit=2',
      '/api/v1/orchestrate/job_1',
      '/api/v1/orchestrate/job_1/cancel',
      '/api/v1/orchestrate/job_1/retry',
      `${RUNS}/definitions/a%2Fb`,
      `${RUNS}/definitions/one`,
      `${RUNS}/definitions`,
      `${RUNS}/validate`,
      `${RUNS}?tag=x`,
      '/api/v1/schedules',
      '/api/v1/schedules/sch_1',
    ].map((path) => [path, (res: Parameters<typeof sendJson>[0]) => sendJson(res, {})] as const);
    const { client, server } = await setupClient(Object.fromEntries(handlers));
    const one = { name: 'one', steps: [] };

    await client.jobs.submit('chat', { model: 'phi3' }, { metadata: { a: 1 } });
    await client.jobs.list({ kind: 'chat', limit: 2 });
    await client.jobs.get('job_1');
    await client.jobs.cancel('job_1');
    await client.jobs.retry('job_1');
    await client.definitions.put(one);
    await client.definitions.put(one, 'a/b');
    await client.definitions.get('one');
    await client.definitions.list();
    await client.definitions.remove('one');
    await client.definitions.validate(one);
    await client.runs.list({ tag: 'x' });
    await client.schedules.create({ workflow: 'one', cron: '0 8 * * *', timeZone: 'Europe/Vienna' });
    await client.schedules.create({ workflow: 'one', input: 1, every: '2s' });
    await client.schedules.get('sch_1');
    await client.schedules.list();
    await client.schedules.remove('sch_1');

    const definition = JSON.stringify(one);
    expect(server.requests.map(({ method, path, body }) => [method, path, body])).toEqual([
      ['POST', '/api/v1/orchestrate', '{"kind":"chat","request":{"model":"phi3"},"metadata":{"a":1}}'],
      ['GET', '/api/v1/orchestrate?kind=chat&limit=2', ''],
      ['GET', '/api/v1/orchestrate/job_1', ''],
      ['POST', '/api/v1/orchestrate/job_1/cancel', ''],
      ['POST', '/api/v1/orchestrate/job_1/retry', ''],
      ['PUT', `${RUNS}/definitions/one`, definition],
      ['PUT', `${RUNS}/definitions/a%2Fb`, definition],
      ['GET', `${RUNS}/definitions/one`, ''],
      ['GET', `${RUNS}/definitions`, ''],
      ['DELETE', `${RUNS}/definitions/one`, ''],
      ['POST', `${RUNS}/validate`, definition],
      ['GET', `${RUNS}?tag=x`, ''],
      ['POST', '/api/v1/schedules', '{"workflow":"one","cron":"0 8 * * *","time_zone":"Europe/Vienna"}'],
      ['POST', '/api/v1/schedules', '{"workflow":"one","input":1,"every":"2s"}'],
      ['GET', '/api/v1/schedules/sch_1', ''],
      ['GET', '/api/v1/schedules', ''],
      ['DELETE', '/api/v1/schedules/sch_1', ''],
    ]);
  });
});
