import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createDemoServer, type DemoServer } from '../../servers/demo/demo-server.ts';
import { chat, startTestCitadel, type TestCitadel } from '../support/citadel.ts';
import { expectWithin, inTime } from '../support/in-time.ts';
import { waitFor } from '../support/wait-for.ts';
import { errorOf, START_LIMIT_MS } from './setup.ts';

let citadel: TestCitadel;
let second: DemoServer;

beforeAll(async () => {
  second = createDemoServer({ simModels: true, models: [{ id: 'sim-chat' }] });
  await second.start();
  citadel = await startTestCitadel({ registration: { weight: 4 } });
  await citadel.post('/v1/servers', { id: 'second', hostname: '127.0.0.1', port: second.port });
}, START_LIMIT_MS);
afterAll(async () => {
  await citadel.stop();
  await second.stop();
});

async function post(path: string, body: unknown = {}) {
  const response = await citadel.post(path, body);
  return { status: response.status, headers: response.headers, body: JSON.parse(await response.text()) };
}
async function get(path: string) {
  const response = await citadel.get(path);
  return { status: response.status, body: JSON.parse(await response.text()) };
}

const servers = ['sim', 'second'];

describe.each(['', '/api/v1'])('under %j', (prefix) => {
  test('the list says what each server is and how it does', async () => {
    const { status, body } = await get(`${prefix}/orchestration/servers/list`);

    expect(status).toBe(200);
    expect(Object.keys(body.servers).sort()).toEqual([...servers].sort());
    expect(body).toMatchObject({
      total_servers: 2,
      servers: {
        second: {
          hostname: '127.0.0.1',
          port: second.port,
          health_status: 'healthy',
          consecutive_failures: 0,
          in_flight: 0,
          models: ['sim-chat'],
        },
      },
    });
    expect(new Date(body.last_updated).toISOString()).toBe(body.last_updated);
    expect(new Date(body.servers.second.last_seen).toISOString()).toBe(body.servers.second.last_seen);
  });

  test("a server's health is its own", async () => {
    const { status, body } = await get(`${prefix}/orchestration/servers/second/health`);

    expect(status).toBe(200);
    expect(body).toMatchObject({ server_id: 'second', health_status: 'healthy', models: ['sim-chat'] });
  });

  test('failover takes a server out of work, and recover brings it back', () =>
    inTime(async () => {
      const start = performance.now();
      const over = await post(`${prefix}/orchestration/failover/sim`);
      const tookMs = performance.now() - start;
      const during = await Promise.all(
        Array.from({ length: 8 }, () => post('/v1/chat/completions', chat('sim-chat'))),
      );
      const drained = await get('/v1/servers/sim');
      const back = await post(`${prefix}/orchestration/recover/sim`);
      const after = await Promise.all(
        Array.from({ length: 8 }, () => post('/v1/chat/completions', chat('sim-chat'))),
      );

      expect(over).toMatchObject({
        status: 200,
        body: { status: 'failover_initiated', server_id: 'sim', result: { moved_jobs: 0, drained: true } },
      });
      expect(drained.body.health_status).toBe('draining');
      expect(new Set(during.map(({ headers }) => headers.get('x-citadel-server')))).toEqual(
        new Set(['second']),
      );
      expect(back).toMatchObject({ status: 200, body: { status: 'recovered', server_id: 'sim' } });
      expect(after.map(({ headers }) => headers.get('x-citadel-server'))).toContain('sim');
      expectWithin(3_000, tookMs);
    }));

  test('a call that has sent nothing yet is moved from a server that is drained, and is answered', async () => {
    second.setFault('hang');
    await post('/orchestration/failover/sim');
    const running = citadel.post('/v1/chat/completions', chat('sim-chat'));
    await waitFor(() => second.openCalls() === 1, 'the call runs');
    await post('/orchestration/recover/sim');

    const { body } = await post(`${prefix}/orchestration/failover/second`);
    const answer = await running;

    expect(body.result).toEqual({ moved_jobs: 1, drained: true });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('x-citadel-server')).toBe('sim');
    second.setFault(undefined);
    await post('/orchestration/recover/second');
  });

  test('a routing decision is explained with every candidate, and nothing moves', async () => {
    await post('/orchestration/failover/second');
    const { length } = citadel.model.requests;

    const { status, body } = await post(`${prefix}/orchestration/workload/distribute`, {
      model_required: 'sim-chat',
      priority: 'high',
    });

    expect(status).toBe(200);
    expect(body).toMatchObject({
      assigned_server: 'sim',
      load_balancing_decision: expect.stringContaining('sim'),
      candidates: [
        { server: 'sim', score: expect.any(Number), reason: expect.any(String) },
        { server: 'second', score: null, reason: expect.stringContaining('draining') },
      ],
    });
    expect(body).toHaveProperty('estimated_completion');
    expect(body).toHaveProperty('estimated_completion_ms');
    expect(citadel.model.requests).toHaveLength(length);
    await post('/orchestration/recover/second');
  });

  test.each([
    [{}, 400, 'invalid_request', 'model_required'],
    [{ model_required: 'sim-chat', priority: 'urgent' }, 400, 'invalid_request', 'priority'],
    [{ model_required: 'sim-chat', colour: 1 }, 400, 'invalid_request', 'colour'],
    [{ model_required: 'nothing' }, 404, 'model_not_found', 'model_required'],
  ])('%j is refused: %i', async (body, status, code, param) => {
    const answer = await post(`${prefix}/orchestration/workload/distribute`, body);

    expect(answer).toMatchObject({ status, body: errorOf(code, { param }) });
  });
});

describe('health', () => {
  test('/health/enterprise tells of servers, queues and stores', async () => {
    const { status, body } = await get('/health/enterprise');

    const counts = {
      status: 'up',
      waiting: 0,
      active: 0,
      delayed: 0,
      dead: expect.any(Number),
      paused: false,
    };
    expect(status).toBe(200);
    expect(body).toEqual({
      cluster_status: 'healthy',
      total_servers: 2,
      healthy_servers: 2,
      degraded_servers: 0,
      unhealthy_servers: 0,
      server_details: { sim: expect.anything(), second: expect.anything() },
      queues: { lightweight: counts, heavyweight: counts, embedding: counts },
      stores: { queue: { kind: 'pglite', status: 'up' }, database: { kind: 'pglite', status: 'up' } },
      last_updated: expect.any(String),
    });
  });

  test('the other routes tell parts of it, and no address', async () => {
    const [all, short, ofServers, ofQueues] = await Promise.all(
      ['/api/v1/health', '/v1/health', '/api/v1/health/servers', '/api/v1/health/queues'].map(get),
    );

    expect(all).toMatchObject({ status: 200, body: { status: 'healthy', servers: { total_servers: 2 } } });
    expect(short).toMatchObject({ status: 200, body: { status: 'healthy', healthy_servers: 2 } });
    expect(ofServers?.body.servers.sim).toMatchObject({ health_status: 'healthy', in_flight: 0 });
    expect(ofQueues?.body.queues.embedding).toMatchObject({ status: 'up', waiting: 0 });
    expect(JSON.stringify([all, short, ofServers, ofQueues])).not.toMatch(/127\.0\.0\.1|hostname/);
  });

  test('a server out of work makes the cluster degraded, and none at work unhealthy', async () => {
    await post('/orchestration/failover/second');
    const degraded = (await get('/health/enterprise')).body;
    await post('/orchestration/failover/sim');
    const unhealthy = (await get('/health/enterprise')).body;
    for (const id of servers) await post(`/orchestration/recover/${id}`);

    expect(degraded).toMatchObject({ cluster_status: 'degraded', healthy_servers: 1, degraded_servers: 1 });
    expect(unhealthy.cluster_status).toBe('unhealthy');
  });
});
