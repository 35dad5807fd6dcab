import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Queue } from 'bullmq';
import { newJobId } from '../../core/ids.ts';
import { startTestCitadel, type TestCitadel } from '../support/citadel.ts';
import { expectWithin, inTime } from '../support/in-time.ts';
import { postgresService, startPostgres, type TestPostgres } from '../support/postgres.ts';
import { parsePrometheusText } from '../support/prometheus-text.ts';
import { redisService, startRedis, type TestRedis } from '../support/redis.ts';
import { describeWith } from '../support/services.ts';

const SERVERS = 100;
const JOBS = 10_000;
const BATCH = 2_000;
const START_LIMIT_MS = 120_000;
/** 50 ms on a machine that has nothing else to do; work for each job would take seconds. */
const ANSWERED_WITHIN_MS = 500;
const WITHOUT_STORES_WITHIN_MS = 2_000;
const READS = 10;
const ADMIN_KEY = 'sk-admin-0123456789';

let redis: TestRedis;
let postgres: TestPostgres;
let api: TestCitadel;
let worker: TestCitadel;

const describeFleet = (name: string, body: () => void) =>
  describeWith(redisService, name, () => describeWith(postgresService, 'on Postgres', body));

describeFleet('/metrics with 100 servers and 10 000 jobs', () => {
  beforeAll(async () => {
    const [oneRedis, onePostgres] = await Promise.all([startRedis(), startPostgres()]);
    if (!onePostgres) throw new Error('Postgres is installed');
    redis = oneRedis;
    postgres = onePostgres;
    await fillQueue(redis.url);
    // Nobody takes the jobs of this class.
    const env = { REDIS_URL: redis.url, CITADEL_API_KEYS: `boss:admin:${ADMIN_KEY}` };
    const hundred = Array.from({ length: SERVERS }, (_, index) => ({
      id: `gpu-${index}`,
      hostname: '127.0.0.1',
      port: 1,
      models: [`model-${index}`],
      max_concurrency: 8,
    }));
    api = await startTestCitadel({
      env: { ...env, DATABASE_URL: postgres.url, CITADEL_SERVERS: JSON.stringify(hundred) },
      roles: { api: true, classes: [] },
    });
    worker = await startTestCitadel({ env, roles: { api: false, classes: ['embedding'] } });
  }, START_LIMIT_MS);
  afterAll(async () => {
    // BullMQ's close waits for a Redis that is away.
    await Promise.all([redis?.restart(), postgres?.restart()]);
    await Promise.all([api?.stop(), worker?.stop()]);
    await Promise.all([redis?.stop(), postgres?.stop()]);
  });

  test('it is read at once, and does nothing for each job', async () => {
    const { page } = await read(api);

    expect(page.value('citadel_queue_jobs', { class: 'heavyweight', state: 'waiting' })).toBe(JOBS);
    expect(page.samples.filter(({ name }) => name === 'citadel_server_state')).toHaveLength(5 * SERVERS);
    expect(page.value('citadel_server_slots_limit')).toBe(8 * SERVERS);
    expect(page.value('citadel_store_up', { store: 'queue', kind: 'redis' })).toBe(1);
    expect(page.value('citadel_store_up', { store: 'database', kind: 'postgres' })).toBe(1);
    await inTime(async () => {
      const times: number[] = [];
      for (let index = 0; index < READS; index++) times.push((await read(api)).tookMs);
      expectWithin(ANSWERED_WITHIN_MS, median(times));
    });
  });

  test("a worker shows its own, and the queue's", async () => {
    const { page } = await read(worker);

    expect(page.value('citadel_worker_jobs', { class: 'embedding' })).toBe(0);
    expect(page.value('citadel_store_up', { store: 'queue', kind: 'redis' })).toBe(1);
    expect(page.value('citadel_store_up', { store: 'database' })).toBeNull();
    expect(page.types.get('citadel_attempts_total')).toBe('counter');
  });

  test('with both stores out of reach it says so within 2 s, and shows all that is known without them', async () => {
    redis.freeze();
    await postgres.kill();

    const frozen = await read(api);
    await redis.kill();
    const gone = await read(api);

    for (const { page, tookMs } of [frozen, gone]) {
      expect(page.value('citadel_store_up', { store: 'queue' })).toBe(0);
      expect(page.value('citadel_store_up', { store: 'database' })).toBe(0);
      expect(page.value('citadel_queue_jobs')).toBeNull();
      expect(page.value('citadel_server_state')).toBe(SERVERS);
      expect(tookMs).toBeLessThan(WITHOUT_STORES_WITHIN_MS);
    }
  });
});

async function read({ get }: TestCitadel) {
  const sinceMs = performance.now();
  const response = await get('/metrics');
  const text = await response.text();
  const tookMs = performance.now() - sinceMs;
  expect(response.status).toBe(200);
  return { page: parsePrometheusText(text), tookMs };
}

async function fillQueue(url: string): Promise<void> {
  const { hostname, port } = new URL(url);
  const queue = new Queue('heavyweight', {
    connection: { host: hostname, port: Number(port) },
    prefix: 'citadel',
  });
  for (let count = 0; count < JOBS; count += BATCH) {
    const jobs = Array.from({ length: BATCH }, () => ({
      name: 'call',
      data: {},
      opts: { jobId: newJobId() as string, priority: 5_000 },
    }));
    await queue.addBulk(jobs);
  }
  await queue.close();
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
