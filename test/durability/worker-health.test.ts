import { expect, test } from '@jest/globals';
import { chat } from '../support/citadel.ts';
import { type FleetProcess, withFleet } from '../support/citadel-fleet.ts';
import { freePort } from '../support/free-port.ts';
import { redisService } from '../support/redis.ts';
import { describeWith } from '../support/services.ts';
import { waitFor } from '../support/wait-for.ts';

const SLOW = 'sim:first=3000';
const LIVE = '/api/v1/health/live';
const READY = '/api/v1/health/ready';
const TEST_LIMIT_MS = 90_000;

const withPort = async () => ({ env: { PORT: String(await freePort()) } });
const statusOf = async (one: FleetProcess, path: string) => (await one.get(path)).status;

describeWith(redisService, "a worker's health", () => {
  test.concurrent(
    'is served where PORT is set, to anyone, and nothing else is',
    () =>
      withFleet({ env: { CITADEL_API_KEYS: 'ops:admin:0123456789abcdef' } }, async ({ start }) => {
        const worker = await start('worker', await withPort());

        expect(worker.stdout()).toContain(`; its health is at ${worker.url}/health\n`);
        for (const path of ['/health', LIVE, READY]) expect(await statusOf(worker, path)).toBe(200);
        const unknown = await worker.get('/v1/models');
        expect({ status: unknown.status, body: await unknown.json() }).toEqual({
          status: 404,
          body: {
            error: {
              message: 'There is no route GET /v1/models.',
              type: 'invalid_request_error',
              param: null,
              code: 'not_found',
            },
          },
        });
      }),
    TEST_LIMIT_MS,
  );

  test.concurrent(
    'is served nowhere without PORT, so that any number runs on one machine',
    () =>
      withFleet({}, async ({ start }) => {
        const workers = await Promise.all([start('worker'), start('worker')]);

        for (const { stdout } of workers) expect(stdout()).toMatch(/is ready for \w+, \w+, \w+\n/);
      }),
    TEST_LIMIT_MS,
  );

  test.concurrent(
    'is alive and not ready while Redis is away, and ready again afterwards',
    () =>
      withFleet({}, async ({ start, redis }) => {
        const worker = await start('worker', await withPort());

        await redis.kill();

        const refused = await worker.get(READY);
        expect(refused.status).toBe(503);
        expect(await refused.json()).toMatchObject({ error: { code: 'store_unavailable' } });
        expect(await statusOf(worker, LIVE)).toBe(200);

        await redis.restart();
        await waitFor(async () => (await statusOf(worker, READY)) === 200, 'ready again');
      }),
    TEST_LIMIT_MS,
  );

  test.concurrent(
    'is alive and not ready from SIGTERM on until the last job has ended',
    () =>
      withFleet({ models: [SLOW] }, async ({ start, model }) => {
        const [api, worker] = await Promise.all([start('api'), start('worker', await withPort())]);
        const answer = api.post('/v1/chat/completions', chat(SLOW));
        await waitFor(() => model.openCalls() === 1, 'the call runs');

        worker.kill('SIGTERM');

        await waitFor(async () => (await statusOf(worker, READY)) === 503, 'not ready');
        expect(await statusOf(worker, LIVE)).toBe(200);
        expect(model.openCalls()).toBe(1);
        expect((await answer).status).toBe(200);
        expect(await worker.exited).toEqual({ code: 0, signal: null });
      }),
    TEST_LIMIT_MS,
  );
});
