import { rm } from 'node:fs/promises';
import { expect, test } from '@jest/globals';
import type { SqlPool } from '../../core/sql-pool.ts';
import { migrate } from '../../storage/migrate.ts';
import { createPgPool } from '../../storage/pg-pool.ts';
import { chat } from '../support/citadel.ts';
import { type FleetProcess, spawnCitadel } from '../support/citadel-fleet.ts';
import { freePort } from '../support/free-port.ts';
import { postgresService, startPostgres } from '../support/postgres.ts';
import { redisService, startRedis } from '../support/redis.ts';
import { describeWith } from '../support/services.ts';
import { waitFor } from '../support/wait-for.ts';

const TEST_LIMIT_MS = 60_000;
const REFUSED_WITHIN_MS = 20_000;
const READY = '/api/v1/health/ready';

async function end(one: FleetProcess): Promise<void> {
  one.kill('SIGKILL');
  await one.exited;
  await rm(one.dataDir, { recursive: true, force: true });
}

/** What /metrics says of each store: 1, or 0. */
async function storesUp(one: FleetProcess): Promise<Record<string, number>> {
  const answer = await one.get('/metrics');
  expect(answer.status).toBe(200);
  const found = (await answer.text()).matchAll(/^citadel_store_up\{store="(\w+)",.*\} (\d)$/gm);
  return Object.fromEntries(Array.from(found, ([, name, value]) => [name, Number(value)]));
}

const WAITING_FOR = 'SELECT 1 FROM pg_locks WHERE NOT granted AND relation = $1::regclass';

/** Keeps everybody else from reading the table; gives what ends that. */
async function holdTable(pool: SqlPool, table: string): Promise<() => Promise<void>> {
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const { promise: held, resolve: hold } = Promise.withResolvers<void>();
  const holding = pool.transaction(async (tx) => {
    await tx.query(`LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`);
    hold();
    await released;
  });
  await held;
  return async () => {
    release();
    // Its connection is gone.
    await holding.catch(() => {});
  };
}

const answersWith = (one: FleetProcess, status: number) => async () =>
  (await one.get(READY).catch(() => null))?.status === status;

describeWith(redisService, 'a process whose Redis comes later than itself', () => {
  describeWith(postgresService, 'and its Postgres', () => {
    test(
      'waits for them, alive and not ready, and then works',
      async () => {
        const [redis, postgres] = await Promise.all([startRedis(), startPostgres()]);
        await Promise.all([redis.kill(), postgres?.kill()]);
        const stores = { REDIS_URL: redis.url, DATABASE_URL: postgres?.url ?? '', CITADEL_DISCOVER: 'off' };
        const api = await spawnCitadel(['api'], stores);
        const worker = await spawnCitadel(['worker'], { ...stores, PORT: String(await freePort()) });
        try {
          for (const one of [api, worker]) await waitFor(answersWith(one, 503), 'it waits');
          expect((await api.get('/health')).status).toBe(200);
          expect(await storesUp(api)).toEqual({ queue: 0, database: 0 });
          expect(await storesUp(worker)).toEqual({ queue: 0 });
          const refused = await api.post('/v1/chat/completions', chat('citadel-demo'));
          expect(refused.status).toBe(503);
          expect(refused.headers.get('retry-after')).toBe('2');
          expect(await refused.json()).toMatchObject({ error: { code: 'store_unavailable' } });
          expect(api.stderr() + api.stdout()).toContain(
            'the database is out of reach; the start waits for it',
          );

          await postgres?.restart();
          await redis.restart();

          for (const one of [api, worker]) await waitFor(answersWith(one, 200), 'it is ready', 30_000);
          const works = async () =>
            (await api.post('/v1/chat/completions', chat('citadel-demo'))).status === 200;
          await waitFor(works, 'a chat is answered', 30_000);
          expect(await storesUp(api)).toEqual({ queue: 1, database: 1 });
          expect(await storesUp(worker)).toEqual({ queue: 1 });
        } finally {
          await Promise.all([end(api), end(worker)]);
          await Promise.all([redis.stop(), postgres?.stop()]);
        }
      },
      TEST_LIMIT_MS,
    );
  });

  test(
    'ends at once when it is told to while it waits',
    async () => {
      const worker = await spawnCitadel(['worker'], { REDIS_URL: `redis://127.0.0.1:${await freePort()}` });
      await waitFor(() => (worker.stderr() + worker.stdout()).includes('the start waits'), 'it waits');

      worker.kill('SIGTERM');

      expect(await worker.exited).toEqual({ code: 0, signal: null });
      await end(worker);
    },
    TEST_LIMIT_MS,
  );
});

describeWith(postgresService, 'a database that goes away in the middle of a start', () => {
  test.each([
    ['the servers are read', 'citadel.server_set'],
    ['the search index is opened', 'pg_catalog.pg_extension'],
  ])(
    'is waited for, as when %s',
    async (_, table) => {
      const postgres = await startPostgres();
      const pool = createPgPool(postgres?.url ?? '', { onError: () => {} });
      await migrate(pool);
      const release = await holdTable(pool, table);
      const one = await spawnCitadel(['up'], { DATABASE_URL: postgres?.url ?? '', CITADEL_DISCOVER: 'off' });
      try {
        const isStuck = async () => (await pool.query(WAITING_FOR, [table])).rows.length > 0;
        await waitFor(isStuck, 'it has come so far', 30_000);

        await postgres?.restart();

        await waitFor(answersWith(one, 200), 'it is ready', 30_000);
        expect(one.stderr() + one.stdout()).toContain('the database is out of reach; the start waits for it');
      } finally {
        await release();
        await end(one);
        await pool.close();
        await postgres?.stop();
      }
    },
    TEST_LIMIT_MS,
  );
});

describeWith(postgresService, 'a database that refuses us', () => {
  test(
    'is not waited for',
    async () => {
      const postgres = await startPostgres();
      const sinceMs = performance.now();
      const one = await spawnCitadel(['up'], { DATABASE_URL: `${postgres?.url}-not-there` });

      const { code } = await one.exited;

      expect(code).toBe(1);
      expect(performance.now() - sinceMs).toBeLessThan(REFUSED_WITHIN_MS);
      expect(one.stderr()).toContain('"postgres-not-there" does not exist');
      await end(one);
      await postgres?.stop();
    },
    TEST_LIMIT_MS,
  );
});
