import { rm } from 'node:fs/promises';
import { describe, expect, test } from '@jest/globals';
import { spawnCitadel, withFleet } from '../support/citadel-fleet.ts';
import { newDataDirectory } from '../support/pglite-template.ts';
import { redisService, startRedis } from '../support/redis.ts';
import { describeWith } from '../support/services.ts';

const TEST_LIMIT_MS = 60_000;

describe('a start that cannot be', () => {
  test.concurrent(
    'on a data directory that another process uses is refused with its name',
    () =>
      withFleet({ withRedis: false }, async ({ start }) => {
        const owner = await start('up');
        const { code, stderr } = await run(['up'], { CITADEL_DATA_DIR: owner.dataDir });
        expect(code).toBe(1);
        expect(stderr).toContain(owner.dataDir);
        expect(stderr).toContain(`in use by process ${owner.pid}`);
        expect(stderr).toContain('CITADEL_DATA_DIR');
        expectNoStack(stderr);
        // The owner goes on.
        expect((await owner.get('/api/v1/health/ready')).status).toBe(200);
      }),
    TEST_LIMIT_MS,
  );

  test.concurrent(
    'on a port that is in use is refused with the port',
    () =>
      withFleet({ withRedis: false }, async ({ start }) => {
        const owner = await start('up');
        const dataDir = await newDataDirectory();
        const { port } = new URL(owner.url);
        const { code, stderr } = await run(['up'], { CITADEL_DATA_DIR: dataDir, PORT: port });
        await rm(dataDir, { recursive: true, force: true });
        expect(code).toBe(1);
        expect(stderr).toMatch(new RegExp(`Port ${port} .*in use`));
        expectNoStack(stderr);
      }),
    TEST_LIMIT_MS,
  );

  test.concurrent.each(['api', 'worker'])(
    'of citadel %s without a Redis is refused, naming REDIS_URL',
    async (command) => {
      const { code, stderr } = await run([command], {});
      expect(code).toBe(2);
      expect(stderr).toContain('REDIS_URL');
      expectNoStack(stderr);
    },
    TEST_LIMIT_MS,
  );

  test.concurrent(
    'with wrong settings names each of them at once',
    async () => {
      const { code, stderr } = await run(['up'], {
        PORT: 'eighty',
        LOG_LEVEL: 'loud',
        REDIS_URL: 'http://127.0.0.1',
        CITADEL_LIMITS_ATTEMPTS: '0',
        CITADEL_SERVERS: '[{"id":"a"}',
      });
      expect(code).toBe(1);
      for (const name of ['PORT', 'LOG_LEVEL', 'REDIS_URL', 'CITADEL_LIMITS_ATTEMPTS', 'CITADEL_SERVERS']) {
        expect(stderr).toContain(name);
      }
      expectNoStack(stderr);
    },
    TEST_LIMIT_MS,
  );

  test.concurrent(
    'with a Redis that does not come says so when it has waited',
    async () => {
      const { code, stderr } = await run(['worker'], {
        REDIS_URL: 'redis://:secret@127.0.0.1:1',
        CITADEL_LIMITS_START_MS: '1000',
      });
      expect(code).toBe(1);
      expect(stderr).toContain('Redis at REDIS_URL cannot be used');
      expect(stderr).not.toContain('secret');
      expectNoStack(stderr);
    },
    TEST_LIMIT_MS,
  );

  test.concurrent(
    'with a Postgres that does not come says so when it has waited, without its password',
    async () => {
      const { code, stderr } = await run(['up'], {
        DATABASE_URL: 'postgres://me:secret@127.0.0.1:1/db',
        CITADEL_LIMITS_START_MS: '1000',
      });
      expect(code).toBe(1);
      expect(stderr).toContain('127.0.0.1:1/db cannot be used');
      expect(stderr).not.toContain('secret');
      expectNoStack(stderr);
    },
    TEST_LIMIT_MS,
  );

  test.concurrent(
    'of a command or a class that does not exist names those that do',
    async () => {
      const [command, modelClass] = await Promise.all([
        run(['upp'], {}),
        run(['worker', '--class', 'tiny'], { REDIS_URL: 'redis://127.0.0.1:1' }),
      ]);
      expect(command).toMatchObject({ code: 2, stderr: expect.stringMatching(/up, api, worker/) });
      expect(modelClass).toMatchObject({ code: 2, stderr: expect.stringContaining('lightweight') });
    },
    TEST_LIMIT_MS,
  );
});

describeWith(redisService, 'a start on a Redis that would lose work', () => {
  test(
    'is refused with each reason and its cure',
    async () => {
      const redis = await startRedis(['--appendonly', 'no', '--maxmemory-policy', 'allkeys-lru']);
      const { code, stderr } = await run(['worker'], { REDIS_URL: redis.url });
      await redis.stop();
      expect(code).toBe(1);
      expect(stderr).toMatch(/append-only file is off.*CONFIG SET appendonly yes/s);
      expect(stderr).toMatch(/maxmemory-policy is allkeys-lru.*noeviction/s);
      expect(stderr).toContain('CITADEL_ALLOW_UNSAFE_REDIS=1');
      expectNoStack(stderr);
    },
    TEST_LIMIT_MS,
  );
});

async function run(args: readonly string[], env: Record<string, string>) {
  const one = await spawnCitadel(args, { CITADEL_DISCOVER: 'off', ...env });
  const { code } = await one.exited;
  if (env.CITADEL_DATA_DIR === undefined) await rm(one.dataDir, { recursive: true, force: true });
  return { code, stderr: one.stderr() };
}

function expectNoStack(stderr: string): void {
  expect(stderr).not.toMatch(/^\s+at .*:\d+:\d+/m);
}
