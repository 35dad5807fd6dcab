import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createLifecycle } from '../../core/lifecycle.ts';
import { createPgPool } from '../../storage/pg-pool.ts';
import { isConnectionError } from '../../storage/sql-errors.ts';
import { keyStoreSuite } from '../conformance/key-store.suite.ts';
import { ledgerStoreSuite } from '../conformance/ledger-store.suite.ts';
import { retentionSuite } from '../conformance/retention.suite.ts';
import { runStoreSuite } from '../conformance/run-store.suite.ts';
import { schedulesSuite } from '../conformance/schedules.suite.ts';
import { serverStoreSuite } from '../conformance/server-store.suite.ts';
import { sqlPoolSuite } from '../conformance/sql-pool.suite.ts';
import { webhookOutboxSuite } from '../conformance/webhook-outbox.suite.ts';
import { freePort } from '../support/free-port.ts';
import { expectWithin, inTime } from '../support/in-time.ts';
import { postgresService, startPostgres, type TestPostgres } from '../support/postgres.ts';
import { describeWith } from '../support/services.ts';
import { waitFor } from '../support/wait-for.ts';

const START_LIMIT_MS = 60_000;

describeWith(postgresService, 'a pool on a Postgres server', () => {
  let postgres: TestPostgres;

  beforeAll(async () => {
    postgres = await requirePostgres();
  }, START_LIMIT_MS);

  afterAll(async () => {
    await postgres?.stop();
  }, START_LIMIT_MS);

  const open = async () => {
    const pool = createPgPool(postgres.url);
    return { pool, close: () => pool.close() };
  };

  describe('as every pool', () => sqlPoolSuite(open));
  describe('the ledger', () => ledgerStoreSuite(open));
  describe('with the registry of servers', () => serverStoreSuite(open));
  describe('the keys', () => keyStoreSuite(open));
  describe('the runs', () => runStoreSuite(open));
  describe('what is old', () => retentionSuite(open));
  describe('the schedules', () => schedulesSuite(open));
  describe('webhooks to be sent', () => webhookOutboxSuite(open));

  test('closes twice, also with a client checked out, and refuses work from then on', async () => {
    const { pool } = await open();
    const client = await pool.asNodePostgres('public').connect();
    await client.query('LISTEN anything');

    await Promise.all([pool.close(), pool.close()]);

    expect(await failsToConnect(pool.query('SELECT 1'))).toBe(true);
  });

  test('its search path adds to the options that the URL has', async () => {
    const pool = createPgPool(`${postgres.url}?options=-c%20work_mem%3D5MB`, { searchPath: 'a, b' });

    const { rows } = await pool.query(
      `SELECT current_setting('search_path') AS path, current_setting('work_mem') AS memory`,
    );

    expect(rows).toEqual([{ path: '"a","b"', memory: '5MB' }]);
    await pool.close();
  });

  test('a query that takes too long is ended, and the pool goes on', async () => {
    const { pool, close } = await open();

    await expect(pool.query(`SET statement_timeout = 100; SELECT pg_sleep(5)`)).rejects.toMatchObject({
      code: '57014',
    });

    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    await close();
  });
});

describeWith(postgresService, 'a Postgres server that goes away', () => {
  const life = createLifecycle();
  afterAll(() => life.close());

  test(
    'makes queries fail at once, and is used again when it is back; listeners hear again',
    () =>
      inTime(async () => {
        const postgres = await requirePostgres();
        life.defer('postgres', () => postgres.stop());
        const lost: Error[] = [];
        const pool = createPgPool(postgres.url, { onError: (error) => lost.push(error) });
        life.defer('pool', () => pool.close());
        const queue = pool.asNodePostgres('public');
        const client = await queue.connect();
        const dropped = new Promise<Error>((resolve) => client.on('error', resolve));
        const heard: string[] = [];
        const stop = await pool.listen('news', (payload) => heard.push(payload));
        await pool.query('SELECT 1');
        const running = pool.query('SELECT pg_sleep(8)');
        running.catch(() => {});

        await postgres.kill();
        const killedMs = Date.now();
        const refused = pool.query('SELECT 1');

        expect(await failsToConnect(running)).toBe(true);
        expect(await failsToConnect(refused)).toBe(true);
        expect(await failsToConnect(pool.query('SELECT 1'))).toBe(true);
        expect(await dropped).toBeInstanceOf(Error);
        const failedMs = Date.now() - killedMs;
        client.release(true);

        await postgres.restart();
        await waitFor(() => pool.query('SELECT 1').catch(() => false), 'a query after the restart');
        await waitFor(async () => {
          await pool.query(`NOTIFY news, 'again'`);
          return heard.includes('again');
        }, 'a notification after the restart');
        expect(lost.length).toBeGreaterThan(0);
        await stop();
        expectWithin(2_500, failedMs);
      }),
    60_000,
  );
});

test('a server that refuses connections is a connection error, at once', async () => {
  const pool = createPgPool(`postgres://nobody@127.0.0.1:${await freePort()}/none`);

  expect(await failsToConnect(pool.query('SELECT 1'))).toBe(true);
  expect(await failsToConnect(pool.listen('news', () => {}))).toBe(true);

  await pool.close();
});

test('a schema name that is more than a name is refused', () => {
  expect(() => createPgPool('postgres://localhost/x', { searchPath: 'a; DROP TABLE b' })).toThrow(
    'Not a schema name',
  );
});

async function requirePostgres(): Promise<TestPostgres> {
  const postgres = await startPostgres();
  if (!postgres) throw new Error('Postgres is not installed');
  return postgres;
}

function failsToConnect(work: Promise<unknown>): Promise<boolean> {
  return work.then(() => false, isConnectionError);
}
