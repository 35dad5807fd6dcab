import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from '@jest/globals';
import { createLifecycle, type Lifecycle } from '../../core/lifecycle.ts';
import { createPglitePool, type PglitePoolOptions } from '../../storage/pglite-pool.ts';
import { keyStoreSuite } from '../conformance/key-store.suite.ts';
import { ledgerStoreSuite } from '../conformance/ledger-store.suite.ts';
import { retentionSuite } from '../conformance/retention.suite.ts';
import { runStoreSuite } from '../conformance/run-store.suite.ts';
import { schedulesSuite } from '../conformance/schedules.suite.ts';
import { serverStoreSuite } from '../conformance/server-store.suite.ts';
import { sqlPoolSuite } from '../conformance/sql-pool.suite.ts';
import { webhookOutboxSuite } from '../conformance/webhook-outbox.suite.ts';
import { newDataDirectory } from '../support/pglite-template.ts';
import { startProgram } from '../support/program.ts';
import { waitFor } from '../support/wait-for.ts';

const START_LIMIT_MS = 60_000;

const directories: string[] = [];
let life: Lifecycle = createLifecycle();

afterEach(async () => {
  await life.close();
  life = createLifecycle();
});

afterAll(async () => {
  await (await shared)?.close();
  await Promise.all(directories.map((directory) => rm(directory, { recursive: true, force: true })));
});

async function newDirectory(): Promise<string> {
  const directory = await newDataDirectory();
  directories.push(directory);
  return join(directory, 'pglite');
}

async function setup(options: Partial<PglitePoolOptions> = {}) {
  const dataDir = await newDirectory();
  const pool = await createPglitePool({ dataDir, ...options });
  life.defer('pool', () => pool.close());
  return { pool, dataDir };
}

async function openCopy() {
  const pool = await createPglitePool({ dataDir: await newDirectory() });
  return { pool, close: () => pool.close() };
}

async function openInMemory() {
  const pool = await createPglitePool({ dataDir: undefined });
  return { pool, close: () => pool.close() };
}

let shared: ReturnType<typeof openCopy> | undefined;

/** As on a server, where they share one too. */
async function openShared() {
  shared ??= openCopy();
  const { pool } = await shared;
  return { pool, close: async () => {} };
}

describe('a PGlite on disk, as every pool', () => sqlPoolSuite(openCopy));
describe('a PGlite in memory, as every pool', () => sqlPoolSuite(openInMemory));
describe('the ledger on PGlite', () => ledgerStoreSuite(openShared));
describe('with the registry of servers', () => serverStoreSuite(openShared));
describe('the keys on PGlite', () => keyStoreSuite(openShared));
describe('the runs on PGlite', () => runStoreSuite(openShared));
describe('what is old on PGlite', () => retentionSuite(openShared));
describe('the schedules on PGlite', () => schedulesSuite(openShared));
describe('webhooks to be sent on PGlite', () => webhookOutboxSuite(openShared));

describe('a PGlite pool', () => {
  test('keeps what it has when it is closed and opened again', async () => {
    const { pool, dataDir } = await setup();
    await pool.exec('CREATE TABLE public.kept (n integer); INSERT INTO public.kept VALUES (1)');

    await Promise.all([pool.close(), pool.close()]);
    const again = await createPglitePool({ dataDir });
    life.defer('pool again', () => again.close());

    expect((await again.query('SELECT n FROM public.kept')).rows).toEqual([{ n: 1 }]);
    await expect(pool.query('SELECT 1')).rejects.toMatchObject({ code: 'store_unavailable' });
    await expect(pool.transaction(async () => {})).rejects.toMatchObject({ code: 'store_unavailable' });
  });

  test('closes when what was asked before is done, and lets an open transaction finish', async () => {
    const { pool, dataDir } = await setup();
    await pool.exec('CREATE TABLE public.kept (n integer)');
    const inserts = Array.from({ length: 50 }, (_, n) =>
      pool.query('INSERT INTO public.kept VALUES ($1)', [n]),
    );
    const { promise: asked, resolve: goOn } = Promise.withResolvers<void>();
    const transaction = pool.transaction(async (tx) => {
      await tx.query('INSERT INTO public.kept VALUES (100)');
      await asked;
      await tx.query('INSERT INTO public.kept VALUES (101)');
    });

    const closed = pool.close();
    goOn();
    await Promise.all([...inserts, transaction, closed]);

    const again = await createPglitePool({ dataDir });
    life.defer('pool again', () => again.close());
    const { rows } = await again.query('SELECT count(*)::integer AS n FROM public.kept');
    expect(rows).toEqual([{ n: 52 }]);
  });

  test('refuses a directory that is in use', async () => {
    const { dataDir } = await setup();

    await expect(createPglitePool({ dataDir })).rejects.toThrow(`in use by process ${process.pid}`);
  });

  test('finds every acknowledged row after its process was killed', async () => {
    const dataDir = await newDirectory();
    const writer = startProgram('pglite-writer.ts', [dataDir]);
    life.defer('writer', () => writer.kill());
    await waitFor(() => writer.lines.length >= 300, '300 acknowledged rows', START_LIMIT_MS);
    await writer.kill();

    const pool = await createPglitePool({ dataDir });
    life.defer('pool', () => pool.close());

    const { rows } = await pool.query<{ n: number }>('SELECT n FROM public.written');
    const found = new Set(rows.map((row) => row.n));
    expect(writer.lines.filter((line) => !found.has(Number(line)))).toEqual([]);
  });

  test('a first start that was killed half-way does not stop the next one', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'citadel-interrupted-'));
    directories.push(dataDir);
    await mkdir(join(dataDir, 'postgres.unfinished'));
    await writeFile(join(dataDir, 'postgres.unfinished', 'PG_VERSION'), '17\n');

    const pool = await createPglitePool({ dataDir });
    life.defer('pool', () => pool.close());

    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });

  test('a transaction that takes too long is rolled back, and the others go on', async () => {
    const { pool } = await setup({ transactionLimitMs: 200 });
    await pool.exec('CREATE TABLE public.kept (n integer)');
    const { promise: never } = Promise.withResolvers<void>();
    let late: Promise<unknown> | undefined;

    const stuck = pool.transaction(async (tx) => {
      await tx.query('INSERT INTO public.kept VALUES (1)');
      late = never.catch(() => {}).then(() => tx.query('SELECT 1'));
      await never;
    });
    const beside = pool.query('SELECT count(*)::integer AS n FROM public.kept');

    await expect(stuck).rejects.toThrow('took longer than 200 ms');
    expect((await beside).rows).toEqual([{ n: 0 }]);
    expect(late).toBeDefined();
  });

  test('a transaction opened by a plain query is refused and closed', async () => {
    const { pool } = await setup();

    await expect(pool.query('BEGIN')).rejects.toThrow('use transaction()');

    expect((await pool.query('SELECT pg_current_xact_id_if_assigned() AS id')).rows).toEqual([{ id: null }]);
  });

  test('when the database dies, what waits and what comes later fails, and the owner is told', async () => {
    const fatal: Error[] = [];
    const { pool } = await setup({ onFatal: (error) => fatal.push(error) });

    // It takes a number for an address, and reads far outside of the database's memory.
    await pool.exec(
      `CREATE FUNCTION public.crash(integer) RETURNS text AS 'textout' LANGUAGE internal STRICT`,
    );

    const deadly = pool.query('SELECT public.crash(2000000000)');
    const waiting = pool.query('SELECT 1');

    await expect(deadly).rejects.toMatchObject({ code: 'store_unavailable' });
    await expect(waiting).rejects.toMatchObject({ code: 'store_unavailable' });
    await expect(pool.query('SELECT 1')).rejects.toMatchObject({ code: 'store_unavailable' });
    await expect(pool.transaction(async () => {})).rejects.toMatchObject({ code: 'store_unavailable' });
    expect(fatal).toHaveLength(1);
  });

  test('dead rows and old log do not pile up', async () => {
    const { pool } = await setup();
    const MB = 1024 * 1024;
    await pool.exec(`CREATE TABLE public.busy (n integer, filling text);
                     INSERT INTO public.busy SELECT n, repeat('x', 1000) FROM generate_series(1, 40000) n;
                     DELETE FROM public.busy WHERE n > 10`);

    const cleaned = async () => {
      const { rows } = await pool.query<{ size: number; log: number }>(
        `SELECT pg_relation_size('public.busy')::float8 AS size,
                pg_wal_lsn_diff(pg_current_wal_lsn(), redo_lsn)::float8 AS log FROM pg_control_checkpoint()`,
      );
      const [state] = rows;
      return state !== undefined && state.size < MB && state.log < 8 * MB;
    };

    await expect(waitFor(cleaned, 'vacuum and checkpoint', 45_000)).resolves.toBe(true);
  });
});
