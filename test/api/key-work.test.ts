import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { chat } from '../support/citadel.ts';
import { waitFor } from '../support/wait-for.ts';
import { errorOf, START_LIMIT_MS } from './setup.ts';
import {
  BRIEF_MODEL,
  CHAT_MODEL,
  JOBS,
  RUNS,
  setupWork,
  WORK_ADMIN_KEY,
  type WorkBundle,
} from './work-bundle.ts';

const SCHEDULES = '/api/v1/schedules';
const KEYS = '/api/v1/keys';

let work: WorkBundle;
let names = 0;

beforeAll(async () => {
  work = await setupWork({ env: { CITADEL_API_KEYS: `root:admin:${WORK_ADMIN_KEY}` } });
}, START_LIMIT_MS);
afterAll(() => work?.citadel.stop());

/** A new key, and calls with it. */
async function keyWith(settings: object = {}) {
  names += 1;
  const { body } = await work.ask('POST', KEYS, { name: `key-${names}`, ...settings });
  const authorization = `Bearer ${body.key}`;
  return {
    id: body.id as string,
    key: body.key as string,
    ask: (method: string, path: string, content?: unknown) =>
      work.ask(method, path, content, { authorization }),
  };
}

const briefCalls = () => work.citadel.model.requests.filter(({ model }) => model === BRIEF_MODEL);
const openBriefCalls = () => briefCalls().filter(({ finished, aborted }) => !finished && !aborted).length;

const nothing = { name: 'nothing', steps: [{ id: 'a', type: 'transform', value: 1 }] };
const chatStep = (id: string, model = CHAT_MODEL, rest: object = {}) => ({
  id,
  type: 'chat',
  ...chat(model),
  ...rest,
});

describe('what a key has started', () => {
  test('is found by its name by admins, and by no other key', async () => {
    const one = await keyWith();
    const { body } = await one.ask('POST', JOBS, { kind: 'chat', request: chat(CHAT_MODEL) });
    const { body: list } = await work.ask('GET', `${JOBS}?key=key-${names}`);

    expect(list.data).toMatchObject([{ id: body.id, key_name: `key-${names}` }]);
    expect((await one.ask('GET', `${JOBS}?key=key-${names}`)).body.data).toHaveLength(1);
    expect(await one.ask('GET', `${JOBS}?key=root`)).toMatchObject({
      status: 403,
      body: errorOf('forbidden', { param: 'key' }),
    });
  });

  test('a call that it waited for is listed for it and for admins, and is not there for another key', async () => {
    const [owner, other] = [await keyWith(), await keyWith()];
    const { headers } = await owner.ask('POST', '/v1/chat/completions', chat(CHAT_MODEL));
    const id = headers.get('x-citadel-job-id');
    const isThere = async () => (await owner.ask('GET', `${JOBS}/${id}`)).status === 200;
    await waitFor(isThere, 'the ledger has it');

    expect((await owner.ask('GET', JOBS)).body.data).toMatchObject([{ id, mode: 'interactive' }]);
    expect((await work.ask('GET', JOBS)).body.data).toMatchObject(
      expect.arrayContaining([expect.objectContaining({ id })]),
    );
    expect((await other.ask('GET', JOBS)).body.data).toEqual([]);
    expect(await other.ask('GET', `${JOBS}/${id}`)).toMatchObject({ status: 404 });
    expect(await other.ask('GET', `${JOBS}/${id}/events`)).toMatchObject({ status: 404 });
  });

  test('is there for it and for admins, and for another key as if it were not', async () => {
    await work.ask('PUT', `${RUNS}/definitions/nothing`, nothing);
    const [owner, other] = [await keyWith(), await keyWith()];
    const run = (await owner.ask('POST', RUNS, { definition: nothing })).body.id;
    const job = (await owner.ask('POST', JOBS, { kind: 'chat', request: chat(CHAT_MODEL) })).body.id;
    const schedule = (await owner.ask('POST', SCHEDULES, { workflow: 'nothing', every: '1h' })).body.id;

    const paths = [`${RUNS}/${run}`, `${JOBS}/${job}`, `${SCHEDULES}/${schedule}`];
    for (const path of paths) {
      expect(await owner.ask('GET', path)).toMatchObject({ status: 200 });
      expect(await work.ask('GET', path)).toMatchObject({ status: 200 });
      expect(await other.ask('GET', path)).toMatchObject({ status: 404, body: errorOf('not_found') });
    }
    for (const [method, path] of [
      ['GET', `${RUNS}/${run}/events`],
      ['GET', `${RUNS}/${run}/result`],
      ['GET', `${RUNS}/${run}/timeline`],
      ['POST', `${RUNS}/${run}/cancel`],
      ['POST', `${RUNS}/${run}/retry`],
      ['POST', `${RUNS}/${run}/signals/x`],
      ['GET', `${JOBS}/${job}/events`],
      ['POST', `${JOBS}/${job}/cancel`],
      ['POST', `${JOBS}/${job}/retry`],
      ['DELETE', `${SCHEDULES}/${schedule}`],
    ] as const) {
      expect(await other.ask(method, path)).toMatchObject({ status: 404, body: errorOf('not_found') });
    }
    const fork = { from_step: 'a' };
    expect(await other.ask('POST', `${RUNS}/${run}/fork`, fork)).toMatchObject({ status: 404 });
    for (const [path, id] of [
      [RUNS, run],
      [JOBS, job],
      [SCHEDULES, schedule],
    ] as const) {
      expect((await other.ask('GET', path)).body.data).toEqual([]);
      expect((await owner.ask('GET', path)).body.data).toMatchObject([{ id }]);
    }
    expect(await owner.ask('DELETE', `${SCHEDULES}/${schedule}`)).toMatchObject({ status: 200 });
  });
});

describe('a step of a key', () => {
  test('may not call, by an expression, a model that the key may not', async () => {
    const { ask } = await keyWith({ models: ['sim-embed'] });
    const definition = { name: 'sly', steps: [chatStep('a', '${{ input.model }}')] };
    const calls = work.calls();
    const { status, body } = await ask('POST', RUNS, { definition, input: { model: CHAT_MODEL } });
    expect(status).toBe(202);

    expect(await work.untilEnded(`${RUNS}/${body.id}`)).toMatchObject({
      status: 'failed',
      error: { code: 'forbidden', message: expect.stringContaining(CHAT_MODEL) },
    });
    expect(work.calls()).toBe(calls);
  });

  test.each([
    ['requests of a minute', { requests_per_minute: 2 }],
    ['budget', { token_budget: { tokens: 300, per: 'day' } }],
  ])('that has used up its %s waits, and does not fail by it', async (_, limits) => {
    const { ask } = await keyWith(limits);
    // The start of the run is one of its requests.
    const steps = [chatStep('a'), chatStep('b', CHAT_MODEL, { after: ['a'] })];
    const { body } = await ask('POST', RUNS, { definition: { name: 'two', steps } });
    const path = `${RUNS}/${body.id}`;

    const run = await waitFor(async () => {
      const now = (await ask('GET', path)).body;
      return now.status === 'waiting' ? now : null;
    }, 'b waits');

    expect(run).toMatchObject({
      status: 'waiting',
      error: null,
      steps: [
        { id: 'a', status: 'succeeded' },
        {
          id: 'b',
          status: 'waiting',
          waiting_for: { for: 'retry' },
          error: { code: 'rate_limit_exceeded' },
        },
      ],
    });
    expect(await ask('POST', `${path}/cancel`)).toMatchObject({ status: 200 });
  });

  test('a job waits until its key may have one more request at work, and loses no attempt by it', async () => {
    const { ask } = await keyWith({ max_concurrency: 2 });
    const before = briefCalls().length;
    const request = chat(BRIEF_MODEL);
    const jobs = await Promise.all(
      Array.from({ length: 6 }, () => ask('POST', JOBS, { kind: 'chat', request })),
    );

    let most = 0;
    const ended = await waitFor(
      async () => {
        most = Math.max(most, openBriefCalls());
        const now = await Promise.all(jobs.map(({ body }) => ask('GET', `${JOBS}/${body.id}`)));
        return now.every(({ body }) => body.status === 'succeeded') ? now : null;
      },
      'they have ended',
      30_000,
    );

    expect(most).toBe(2);
    expect(briefCalls()).toHaveLength(before + 6);
    const attempts = ended.flatMap(({ body }) => body.timeline).map(({ attempt = 1 }) => attempt);
    expect(Math.max(...attempts)).toBe(1);
  });

  test('a call with an Idempotency-Key does not wait for the place that its caller holds', async () => {
    const { key } = await keyWith({ max_concurrency: 1 });
    const headers = { authorization: `Bearer ${key}`, 'idempotency-key': 'one-place' };

    expect(await work.ask('POST', '/v1/chat/completions', chat(CHAT_MODEL), headers)).toMatchObject({
      status: 200,
    });
  });

  test('waits until its key may have one more request at work, and loses no attempt by it', async () => {
    const { ask } = await keyWith({ max_concurrency: 2 });
    const wide = { id: 'wide', type: 'map', over: '${{ input }}', steps: [chatStep('say', BRIEF_MODEL)] };
    const input = [1, 2, 3, 4, 5, 6];
    const { body } = await ask('POST', RUNS, { definition: { name: 'wide', steps: [wide] }, input });
    const path = `${RUNS}/${body.id}`;
    const before = briefCalls().length;

    let most = 0;
    let run = body;
    await waitFor(
      async () => {
        most = Math.max(most, openBriefCalls());
        run = (await ask('GET', path)).body;
        return run.status === 'succeeded';
      },
      'it has ended',
      30_000,
    );

    expect(most).toBe(2);
    expect(briefCalls()).toHaveLength(before + 6);
    const { steps } = run;
    expect(steps.map(({ attempts }: { attempts: number }) => attempts)).toEqual(steps.map(() => 1));
  });
});

test('the schedules of a revoked key stop, and say why', async () => {
  const { id, ask } = await keyWith();
  await work.ask('PUT', `${RUNS}/definitions/nothing`, nothing);
  const schedule = await ask('POST', SCHEDULES, { workflow: 'nothing', every: '1s' });
  const path = `${SCHEDULES}/${schedule.body.id}`;
  const read = async () => (await work.ask('GET', path)).body;
  await waitFor(async () => (await read()).last_run_id !== null, 'it has fired');

  await work.ask('DELETE', `${KEYS}/${id}`);

  const stopped = await waitFor(async () => {
    const now = await read();
    return now.next_at === null ? now : null;
  }, 'it has stopped');
  expect(stopped.last_error).toMatch(/^Stopped\. The API key `key-\d+` was revoked\.$/);
});
