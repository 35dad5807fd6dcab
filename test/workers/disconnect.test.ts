import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { DemoServer } from '../../servers/demo/demo-server.ts';
import { chat, EVERYTHING, startTestCitadel } from '../support/citadel.ts';
import { startFleet } from '../support/citadel-fleet.ts';
import { expectWithin, inTime } from '../support/in-time.ts';
import { newDataDirectory } from '../support/pglite-template.ts';
import { countJobs, type JobsInStore } from '../support/queue-counts.ts';
import { redisService, startRedis } from '../support/redis.ts';
import { describeWith } from '../support/services.ts';
import { waitFor } from '../support/wait-for.ts';

/** From the caller's leaving until nothing is done for it any more. */
const GONE_WITHIN_MS = 250;
const TIMES = 3;
/** One call at a time, so that a second one is parked. */
const REGISTRATION = { max_concurrency: 1 };
const HANG = 'sim:hang';
const STREAM = 'sim:token=20+tokens=500';
const QUICK = 'quick';
const MODELS = [HANG, STREAM, QUICK];

interface Bench {
  model: DemoServer;
  post(path: string, body: unknown, signal: AbortSignal): Promise<Response>;
  get(path: string): Promise<Response>;
  stop(): Promise<void>;
}

describe('a caller who leaves, on PGlite', () => {
  disconnectSuite((withWorkers) => startInProcess(withWorkers));
});

describeWith(redisService, 'a caller who leaves, on Redis', () => {
  disconnectSuite(async (withWorkers) => {
    const redis = await startRedis();
    const bench = await startInProcess(withWorkers, { REDIS_URL: redis.url });
    return { ...bench, stop: () => bench.stop().finally(() => redis.stop()) };
  });
});

describeWith(redisService, 'a caller who leaves, with its worker in another process', () => {
  disconnectSuite(async (withWorkers) => {
    const fleet = await startFleet({ models: MODELS, registration: REGISTRATION });
    const [api] = await Promise.all([fleet.start('api'), withWorkers ? fleet.start('worker') : null]);
    const post: Bench['post'] = (path, body, signal) => api.post(path, body, signal);
    return { model: fleet.model, post, get: api.get, stop: fleet.stop };
  });
});

function disconnectSuite(open: (withWorkers: boolean) => Promise<Bench>): void {
  let bench: Bench;
  let benchWithoutWorkers: Bench;

  beforeAll(async () => {
    [bench, benchWithoutWorkers] = await Promise.all([open(true), open(false)]);
  }, 90_000);

  afterAll(async () => {
    await Promise.all([bench?.stop(), benchWithoutWorkers?.stop()]);
  }, 30_000);

  test('while its job is queued: the job is taken out of the queue', async () => {
    await expectGone(async () => {
      const caller = call(benchWithoutWorkers, chat(QUICK));
      await waitFor(async () => (await countJobs(benchWithoutWorkers)).waiting === 1, 'the job waits');
      return await leave(caller, benchWithoutWorkers);
    });
  });

  test('while its job is parked: the job is gone, and the one that holds the slot goes on', async () => {
    const holder = call(bench, chat(HANG));
    await waitFor(() => bench.model.openCalls() === 1, 'the first call runs');

    await expectGone(async () => {
      const caller = call(bench, chat(QUICK));
      await waitFor(async () => (await countJobs(bench)).active === 2, 'the second job is parked');
      return await leave(caller, bench, { waiting: 0, active: 1, dead: 0 });
    });

    expect(bench.model.openCalls()).toBe(1);
    await leave(holder, bench);
    expect(bench.model.requests.some(({ model }) => model === QUICK)).toBe(false);
  });

  test('before the first token: the call at the server is broken off', async () => {
    await expectGone(async () => {
      const caller = call(bench, chat(HANG, 'Hi', { stream: true }));
      await waitFor(() => bench.model.openCalls() === 1, 'the call runs');
      return await leave(caller, bench);
    });
    expect(bench.model.requests.findLast(({ method }) => method === 'POST')).toMatchObject({
      model: HANG,
      aborted: true,
    });
  });

  test('before a whole answer is there: the call at the server is broken off', async () => {
    await expectGone(async () => {
      const caller = call(bench, chat(STREAM));
      await waitFor(() => bench.model.openCalls() === 1, 'the call runs');
      return await leave(caller, bench);
    });
  });

  test('mid-stream: the call at the server is broken off', async () => {
    await expectGone(async () => {
      const caller = call(bench, chat(STREAM, 'Hi', { stream: true }));
      const reader = (await caller.response)?.body?.getReader();
      await reader?.read();
      expect(bench.model.openCalls()).toBe(1);
      reader?.read().catch(() => {});
      return await leave(caller, bench);
    });
    expect(bench.model.requests.findLast(({ method }) => method === 'POST')).toMatchObject({
      model: STREAM,
      aborted: true,
      finished: false,
    });
  });

  test('at the same moment as forty others: nothing is left of any of them, and the next is answered', async () => {
    const callers = Array.from({ length: 40 }, (_, index) =>
      call(bench, chat(index % 2 === 0 ? HANG : STREAM, `caller ${index}`, { stream: index % 3 === 0 })),
    );
    await waitFor(() => bench.model.openCalls() === 1, 'a call runs');

    for (const { controller } of callers) controller.abort();

    await waitFor(async () => isEmpty(await countJobs(bench)), 'no job is left');
    await waitFor(() => bench.model.openCalls() === 0, 'no call is left');
    const next = await bench.post('/v1/chat/completions', chat(QUICK), AbortSignal.timeout(20_000));
    expect(next.status).toBe(200);
    await next.text();
  });
}

interface Caller {
  controller: AbortController;
  /** Null when the caller left before. */
  response: Promise<Response | null>;
}

function call(bench: Bench, body: object): Caller {
  const controller = new AbortController();
  const response = bench.post('/v1/chat/completions', body, controller.signal).catch(() => null);
  return { controller, response };
}

const NOTHING: JobsInStore = { waiting: 0, active: 0, dead: 0 };

/** Lets the caller leave. Resolves with the ms until its job and its call are gone, and only `left` is there. */
async function leave({ controller }: Caller, bench: Bench, left: JobsInStore = NOTHING): Promise<number> {
  const sinceMs = performance.now();
  controller.abort();
  await waitFor(() => bench.model.openCalls() === left.active, 'the call is broken off');
  await waitFor(async () => isSame(await countJobs(bench), left), 'the job is gone');
  return performance.now() - sinceMs;
}

const isSame = (a: JobsInStore, b: JobsInStore) =>
  a.waiting === b.waiting && a.active === b.active && a.dead === b.dead;
const isEmpty = (jobs: JobsInStore) => isSame(jobs, NOTHING);

/** The median of what `measure` gives is in time. */
function expectGone(measure: () => Promise<number>): Promise<void> {
  return inTime(async () => {
    const results: number[] = [];
    for (let round = 0; round < TIMES; round++) results.push(await measure());
    results.sort((a, b) => a - b);
    expectWithin(GONE_WITHIN_MS, results[Math.floor(TIMES / 2)] ?? Number.POSITIVE_INFINITY);
  });
}

async function startInProcess(withWorkers: boolean, env: Record<string, string> = {}): Promise<Bench> {
  const directory = await newDataDirectory();
  const citadel = await startTestCitadel({
    models: MODELS,
    registration: REGISTRATION,
    env: { CITADEL_DATA_DIR: directory, ...env },
    roles: withWorkers ? EVERYTHING : { api: true, classes: [] },
  });
  return {
    model: citadel.model,
    post: (path, body, signal) => citadel.post(path, body, { signal }),
    get: citadel.get,
    stop: () => citadel.stop().finally(() => rm(directory, { recursive: true, force: true })),
  };
}
