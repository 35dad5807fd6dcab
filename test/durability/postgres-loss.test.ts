import { expect, test } from '@jest/globals';
import pg from 'pg';
import { chat } from '../support/citadel.ts';
import { withFleet } from '../support/citadel-fleet.ts';
import { expectWithin, inTime, timeOf } from '../support/in-time.ts';
import { postgresService, startPostgres, type TestPostgres } from '../support/postgres.ts';
import { redisService } from '../support/redis.ts';
import { describeWith } from '../support/services.ts';
import { waitFor } from '../support/wait-for.ts';

const MODEL = 'plain';
const SLOW = 'sim:first=2000';
const PATH = '/v1/chat/completions';
const REFUSED_WITHIN_MS = 5_000;
const WORKS_AGAIN_WITHIN_MS = 10_000;
const TEST_LIMIT_MS = 120_000;

describeWith(postgresService, 'while the Postgres of the queues is away', () => {
  test.concurrent(
    'a running request is answered, new ones get 503, and work again when it is back',
    () =>
      inTime(() =>
        withPostgres((postgres) =>
          withFleet(
            { withRedis: false, models: [MODEL, SLOW], env: { DATABASE_URL: postgres.url } },
            async ({ start, model }) => {
              const up = await start('up');
              const running = up.post(PATH, chat(SLOW, 'nonce 6'));
              await waitFor(() => model.openCalls() === 1, 'the call runs');

              await postgres.kill();

              const sinceMs = performance.now();
              const refused = await up.post(PATH, chat(MODEL));
              const refusedMs = performance.now() - sinceMs;
              expect(refused.status).toBe(503);
              expect(refused.headers.get('retry-after')).toMatch(/^\d+$/);
              expect(await refused.json()).toMatchObject({ error: { code: 'store_unavailable' } });
              const answer = await running;
              expect(answer.status).toBe(200);
              expect(await answer.text()).toContain('nonce 6');

              await postgres.restart();
              const works = async () => {
                const response = await up.post(PATH, chat(MODEL));
                await response.text();
                return response.status === 200;
              };
              const backMs = await timeOf(() => waitFor(works, 'requests work again'));
              // What ran while the store was away is written all the same.
              await waitFor(async () => (await rowsOf(postgres)) >= 2, 'the ledger has its rows');
              expectWithin(REFUSED_WITHIN_MS, refusedMs);
              expectWithin(WORKS_AGAIN_WITHIN_MS, backMs);
            },
          ),
        ),
      ),
    TEST_LIMIT_MS,
  );
});

describeWith(
  { ...postgresService, isInstalled: postgresService.isInstalled && redisService.isInstalled },
  'while the Postgres of the ledger is away',
  () => {
    test.concurrent(
      'chat goes on over Redis, and its rows are written when it is back',
      () =>
        withPostgres((postgres) =>
          withFleet({ models: [MODEL], env: { DATABASE_URL: postgres.url } }, async ({ start }) => {
            const [api] = await Promise.all([start('api'), start('worker')]);
            await (await api.post(PATH, chat(MODEL))).text();
            await waitFor(async () => (await rowsOf(postgres)) === 1, 'the first row');

            await postgres.kill();
            const answers = await Promise.all(Array.from({ length: 10 }, () => api.post(PATH, chat(MODEL))));
            expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(200));

            await postgres.restart();
            await waitFor(async () => (await rowsOf(postgres)) === 11, 'all rows');
          }),
        ),
      TEST_LIMIT_MS,
    );
  },
);

async function withPostgres(body: (postgres: TestPostgres) => Promise<void>): Promise<void> {
  const postgres = await startPostgres();
  if (!postgres) throw new Error('Postgres is not installed');
  try {
    await body(postgres);
  } finally {
    await postgres.stop();
  }
}

async function rowsOf({ url }: TestPostgres): Promise<number> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query('SELECT count(*)::int AS count FROM citadel.ledger');
    return rows[0].count;
  } finally {
    await client.end();
  }
}
