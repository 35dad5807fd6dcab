import { type AddressInfo, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createPgPool } from '../../storage/pg-pool.ts';
import { type CitadelFleet, type FleetProcess, spawnCitadel, startFleet } from '../support/citadel-fleet.ts';
import { freePort } from '../support/free-port.ts';
import { postgresService, startPostgres } from '../support/postgres.ts';
import { redisService, startRedis } from '../support/redis.ts';
import { describeWith } from '../support/services.ts';

const LIMIT_MS = 60_000;

interface Finding {
  check: string;
  status: 'ok' | 'warn' | 'problem';
  found: string;
  cure?: string;
}

async function examine(env: Record<string, string>) {
  const one = await spawnCitadel(['doctor', '--json'], { CITADEL_DISCOVER: 'off', ...env });
  const { code } = await one.exited;
  const report: { ok: boolean; findings: Finding[] } = JSON.parse(one.stdout());
  const of = (check: string) => report.findings.filter((finding) => finding.check === check);
  return { code, ok: report.ok, findings: report.findings, of, text: one.stdout() + one.stderr() };
}

test.concurrent(
  'a configuration that is wrong is told of with every problem',
  async () => {
    const { code, of } = await examine({ CITADEL_LIMITS_ATTEMPTS: 'many', LOG_LEVEL: 'loud' });

    expect(code).toBe(1);
    expect(of('configuration')).toEqual([
      expect.objectContaining({ status: 'problem', found: expect.stringContaining('LOG_LEVEL') }),
      expect.objectContaining({
        status: 'problem',
        found: expect.stringContaining('CITADEL_LIMITS_ATTEMPTS'),
      }),
    ]);
  },
  LIMIT_MS,
);

describeWith(redisService, 'with all that can be wrong', () => {
  test.concurrent(
    'it finds each, says what to do, ends in time, and shows no secret',
    async () => {
      const [redis, silent] = await Promise.all([startRedis(['--appendonly', 'no']), listenSilently()]);
      try {
        const { code, of, findings, text } = await examine({
          HOST: '0.0.0.0',
          CITADEL_API_KEYS: 'team:user:password-password-1',
          DATABASE_URL: `postgres://me:a-secret-word@127.0.0.1:${await freePort()}/x`,
          REDIS_URL: redis.url,
          QDRANT_URL: `http://127.0.0.1:${silent.port}`,
          CITADEL_SERVERS: JSON.stringify([{ id: 'gone', hostname: '127.0.0.1', port: await freePort() }]),
        });

        expect(code).toBe(1);
        for (const check of ['database', 'redis', 'qdrant', 'model servers']) {
          expect([check, of(check).map(({ status }) => status)]).toEqual([
            check,
            expect.arrayContaining(['problem']),
          ]);
        }
        expect(
          of('redis')
            .map(({ cure }) => cure)
            .join(),
        ).toContain('CONFIG SET appendonly yes');
        expect(of('keys')).toContainEqual(
          expect.objectContaining({ status: 'warn', found: 'the key "team" can be guessed' }),
        );
        expect(findings.every(({ status, cure }) => status === 'ok' || cure)).toBe(true);
        expect(text).not.toMatch(/a-secret-word|password-password/);
      } finally {
        silent.close();
        await redis.stop();
      }
    },
    LIMIT_MS,
  );
});

describeWith(redisService, 'with settings that cannot be used here', () => {
  test.concurrent(
    'the cure names the setting that is to be changed',
    async () => {
      const redis = await startRedis();
      try {
        const { of, text } = await examine({
          HOST: '192.0.2.1',
          CITADEL_DATA_DIR: fileURLToPath(import.meta.url),
          REDIS_URL: redis.url.replace('//', '//nobody:another-word@'),
        });

        const cureOf = (check: string) => of(check).find(({ status }) => status === 'problem')?.cure;
        expect(cureOf('port')).toMatch(/^Set HOST to an address of this machine/);
        expect(cureOf('data directory')).toMatch(/set CITADEL_DATA_DIR/);
        expect(cureOf('redis')).toMatch(/password into REDIS_URL/);
        expect(text).not.toContain('another-word');
      } finally {
        await redis.stop();
      }
    },
    LIMIT_MS,
  );
});

describeWith(postgresService, 'with a Postgres', () => {
  test.concurrent(
    'it tells its version, schema, clock and what it lacks, and changes nothing in it',
    async () => {
      const postgres = await startPostgres();
      try {
        const { of } = await examine({ DATABASE_URL: postgres?.url ?? '', HOST: '0.0.0.0' });
        const pool = createPgPool(postgres?.url ?? '');
        const { rows } = await pool.query(`SELECT nspname FROM pg_namespace WHERE nspname = 'citadel'`);
        await pool.close();

        expect(of('database').map(({ found }) => found)).toEqual(
          expect.arrayContaining([
            expect.stringMatching(/^Postgres \d+/),
            expect.stringMatching(/schema is at version 0/),
            expect.stringMatching(/fsync or synchronous_commit is off/),
          ]),
        );
        expect(rows).toEqual([]);
        expect(of('clock')).toEqual([
          expect.objectContaining({ status: 'ok', found: expect.stringContaining('of the database') }),
        ]);
        expect(of('keys')).toEqual([expect.objectContaining({ status: 'problem' })]);
      } finally {
        await postgres?.stop();
      }
    },
    LIMIT_MS,
  );
});

describe('beside a running embedded server', () => {
  let fleet: CitadelFleet;
  let server: FleetProcess;

  beforeAll(async () => {
    fleet = await startFleet({ withRedis: false });
    server = await fleet.start('up');
  }, LIMIT_MS);
  afterAll(() => fleet?.stop(), LIMIT_MS);

  test(
    'it asks that server, whose port and data directory are no problem',
    async () => {
      const { code, ok, of } = await examine({
        CITADEL_DATA_DIR: server.dataDir,
        PORT: new URL(server.url).port,
      });

      expect({ code, ok }).toEqual({ code: 0, ok: true });
      expect(of('port')[0]?.found).toMatch(/held by a running Citadel/);
      expect(of('data directory')[0]?.found).toContain(server.url);
      expect(of('model servers')).toEqual([
        { check: 'model servers', status: 'ok', found: 'sim is healthy' },
      ]);
      expect(of('database')[0]).toMatchObject({
        status: 'ok',
        found: expect.stringMatching(/running Citadel/),
      });
    },
    LIMIT_MS,
  );
});

/** Takes connections and never answers. */
async function listenSilently(): Promise<{ port: number; close(): void }> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  server.unref();
  return { port: (server.address() as AddressInfo).port, close: () => server.close() };
}
