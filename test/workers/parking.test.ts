import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { newInboxId, newJobId, newRequestId } from '../../core/ids.ts';
import { createLifecycle } from '../../core/lifecycle.ts';
import { createLogger } from '../../core/logger.ts';
import { createAdmission } from '../../jobs/admission.ts';
import { createDispatcher } from '../../jobs/dispatcher.ts';
import type { ModelJob } from '../../jobs/model-job.ts';
import type { DispatchEnd } from '../../jobs/waiter.ts';
import { createModelClient } from '../../outbound/model-client.ts';
import { createPostgresQueues } from '../../queues/postgres-queues.ts';
import { createBalancer } from '../../servers/balancer.ts';
import { createDemoServer, type DemoServer } from '../../servers/demo/demo-server.ts';
import { createRegistry } from '../../servers/registry.ts';
import { createPglitePool } from '../../storage/pglite-pool.ts';
import { createRetryBudget } from '../../workers/retry-budget.ts';
import { createWorkerPool } from '../../workers/worker-pool.ts';
import { chat } from '../support/citadel.ts';
import { expectWithin, inTime } from '../support/in-time.ts';
import { LOCAL_GUARD } from '../support/local-guard.ts';
import { newDataDirectory } from '../support/pglite-template.ts';
import { waitFor } from '../support/wait-for.ts';

/** An answer of model A takes about this long; its server takes one at a time. */
const LONG_MS = 600;
const LONG_MODEL = `sim:first=${LONG_MS}`;
/** Of the same server, which never answers it. */
const HANG = 'sim:hang';
const SHORT_MODEL = 'quick';
/** What model A's being full may add to the start of model B; the start itself costs what the machine's load makes it. */
const HELD_UP_MS_MAX = 50;

const stops: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
}, 20_000);

describe('a model whose server is full', () => {
  test('does not hold up another model of its class', () =>
    inTime(async () => {
      const { add, taken } = await setup({ concurrency: 64 });
      const alone = await median(() => add(SHORT_MODEL).started);
      const slow = Array.from({ length: 5 }, () => add(LONG_MODEL));
      await waitFor(() => taken() === 5, 'one job runs and four wait for a slot');

      const beside = await median(() => add(SHORT_MODEL).started);

      await Promise.all(slow.map(({ ended }) => ended));
      expectWithin(HELD_UP_MS_MAX, beside - alone);
    }));

  test('does not hold up another model when its jobs have taken all of the concurrency', () =>
    inTime(async () => {
      const { add, pool, taken } = await setup({ concurrency: 2 });
      const alone = await median(() => add(SHORT_MODEL).started);
      const slow = Array.from({ length: 8 }, () => add(LONG_MODEL));
      await waitFor(() => taken() === 8, 'one job runs and seven wait for a slot');

      const beside = await median(() => add(SHORT_MODEL).started);

      await Promise.all(slow.map(({ ended }) => ended));
      expectWithin(HELD_UP_MS_MAX, beside - alone);
      await waitFor(() => pool.inHand().running === 0, 'no job is in hand');
      expect(pool.inHand().parked).toBe(0);
    }));

  test('runs its jobs in the order in which they came, one at a time', async () => {
    const { add, taken, long } = await setup({ concurrency: 2 });
    const jobs = [];
    for (let index = 0; index < 6; index++) {
      jobs.push(add(LONG_MODEL, `number ${index}`));
      await waitFor(() => taken() === index + 1, `${index} jobs wait for a slot`);
    }
    let openMax = 0;
    const watch = setInterval(() => {
      openMax = Math.max(openMax, long.openCalls());
    }, 5);

    await Promise.all(jobs.map(({ ended }) => ended));

    clearInterval(watch);
    expect(openMax).toBe(1);
    const order = long.requests.flatMap(({ body }) => /number \d/.exec(body) ?? []);
    expect(order).toEqual([0, 1, 2, 3, 4, 5].map((index) => `number ${index}`));
  });

  test('has jobs put back beyond the bound, and they run all the same', () =>
    inTime(async () => {
      const { add, pool, long } = await setup({ concurrency: 2, parkedMax: 2 });
      let parkedMost = 0;
      const watch = setInterval(() => {
        parkedMost = Math.max(parkedMost, pool.inHand().parked);
      }, 1);
      const slow = Array.from({ length: 7 }, () => add(LONG_MODEL));
      await waitFor(() => pool.inHand().parked === 2, 'two jobs wait for a slot');

      // Those beyond the bound come and go: each visit takes a slot of the pool for a moment.
      const startedMs = await median(() => add(SHORT_MODEL).started);

      await Promise.all(slow.map(({ ended }) => ended));
      clearInterval(watch);
      expect(parkedMost).toBe(2);
      expect(long.requests.filter(({ method, finished }) => method === 'POST' && finished)).toHaveLength(7);
      expectWithin(5 * HELD_UP_MS_MAX, startedMs);
    }));

  test('gives back at a stop what it could not run', async () => {
    const { add, pool, counts } = await setup({ concurrency: 2 });
    for (let index = 0; index < 5; index++) add(HANG);
    await waitFor(() => pool.inHand().parked === 4, 'four jobs wait for a slot');

    await pool.stop(0);

    expect(pool.inHand()).toEqual({ running: 0, parked: 0 });
    expect(await counts()).toMatchObject({ waiting: 5, active: 0, dead: 0 });
  });
});

interface Added {
  /** Resolves with the ms from its add to the arrival of its call at the server. */
  started: Promise<number>;
  ended: Promise<void>;
}

/** A worker pool on a real queue, and two servers: one that runs a long model one call at a time, one that is quick. */
async function setup({ concurrency, parkedMax }: { concurrency: number; parkedMax?: number }) {
  const life = createLifecycle();
  stops.push(() => life.close());
  const logger = createLogger({ level: 'silent' });
  const [long, quick] = await Promise.all([startServer(LONG_MODEL), startServer(SHORT_MODEL)]);
  life.defer('servers', () => Promise.all([long.stop(), quick.stop()]));
  const registry = createRegistry({ models: { lightweight: [], heavyweight: [], embedding: [] } });
  registry.put({ ...registrationOf('long', long), models: [LONG_MODEL, HANG], max_concurrency: 1 });
  registry.put({ ...registrationOf('quick', quick), models: [SHORT_MODEL] });

  const directory = await newDataDirectory();
  life.defer('directory', () => rm(directory, { recursive: true, force: true }));
  const store = await createPglitePool({ dataDir: join(directory, 'pglite'), onFatal: () => {} });
  life.defer('store', () => store.close());
  const inbox = newInboxId();
  const queues = await createPostgresQueues({ pool: store, inbox, logger });
  life.defer('queues', () => queues.close());
  const dispatcher = createDispatcher({
    queues,
    admission: createAdmission({
      queueDepth: { lightweight: 1_000, heavyweight: 1, embedding: 1 },
      now: Date.now,
    }),
    totalMs: 30_000,
    now: Date.now,
  });
  life.defer('dispatcher', () => dispatcher.close());
  const client = createModelClient({ guard: LOCAL_GUARD });
  life.defer('client', () => client.close());
  const pool = createWorkerPool({
    modelClass: 'lightweight',
    queues,
    balancer: createBalancer({ registry }),
    client,
    times: { connectMs: 1_000, firstTokenMs: 5_000, loadMs: 5_000, idleMs: 5_000, totalMs: 30_000 },
    attemptsMax: 1,
    retryBudget: createRetryBudget({ share: 0.2, floor: 10 }),
    concurrency,
    parkedMax,
    logger,
  });
  pool.start();
  life.defer('pool', () => pool.stop(0));

  function add(model: string, content = 'Hello'): Added {
    const id = newJobId();
    const sinceMs = performance.now();
    const started = Promise.withResolvers<number>();
    const ended = Promise.withResolvers<void>();
    started.promise.catch(() => {});
    const onEnd = (end: DispatchEnd) => {
      if (end.status === 'done') {
        ended.resolve();
        return;
      }
      started.reject(end.error);
      ended.reject(end.error);
    };
    const onStarted = () => started.resolve(performance.now() - sinceMs);
    const listener = { onQueued: () => {}, onTaken: () => {}, onStarted, onChunks: () => {}, onEnd };
    dispatcher.dispatch(id, jobOf(model, content, inbox), 1, listener);
    return { started: started.promise, ended: ended.promise };
  }

  return {
    add,
    pool,
    long,
    /** How many jobs of model A have been taken: they are parked, or have called their server. */
    taken: () => pool.inHand().parked + long.requests.filter(({ method }) => method === 'POST').length,
    counts: () => queues.queue('lightweight').counts(),
  };
}

async function median(measure: () => Promise<number>): Promise<number> {
  const results: number[] = [];
  for (let index = 0; index < 5; index++) results.push(await measure());
  return results.sort((a, b) => a - b)[2] ?? Number.POSITIVE_INFINITY;
}

async function startServer(model: string): Promise<DemoServer> {
  const server = createDemoServer({ models: [{ id: model }], simModels: true });
  await server.start();
  return server;
}

function registrationOf(id: string, { port }: DemoServer) {
  const place = { id, hostname: '127.0.0.1', port, base_path: '/v1' };
  return { ...place, protocol: 'openai' as const, weight: 1 };
}

function jobOf(model: string, content: string, replyTo: ModelJob['replyTo']): ModelJob {
  return {
    requestId: newRequestId(),
    keyName: null,
    endpoint: 'chat/completions',
    model,
    modelClass: 'lightweight',
    priority: 'normal',
    maxWaitMs: null,
    stream: true,
    includeUsage: false,
    wholeOnly: false,
    replyTo,
    body: JSON.stringify(chat(model, content, { stream: true, max_tokens: 4 })),
  };
}
