import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { NodePostgresSource, SqlPool, SqlQueryable } from '../../core/sql-pool.ts';
import { waitFor } from '../support/wait-for.ts';

type Pool = SqlPool & NodePostgresSource;

export interface SqlPoolFixture {
  pool: Pool;
  close(): Promise<void>;
}

const SCHEMA = 'elsewhere';
const START_LIMIT_MS = 60_000;

/** What every pool guarantees, on a server or in this process. */
export function sqlPoolSuite(start: () => Promise<SqlPoolFixture>): void {
  let fixture: SqlPoolFixture;
  let pool: Pool;
  let tables = 0;

  beforeAll(async () => {
    fixture = await start();
    pool = fixture.pool;
  }, START_LIMIT_MS);

  afterAll(async () => {
    await fixture?.close();
  }, START_LIMIT_MS);

  /** A fresh table with one column of numbers. */
  async function setup(): Promise<{ table: string; count: () => Promise<number> }> {
    tables += 1;
    const table = `public.numbers_${tables}`;
    await pool.exec(`CREATE TABLE ${table} (n integer PRIMARY KEY)`);
    const count = async () => {
      const { rows } = await pool.query<{ n: number }>(`SELECT count(*)::integer AS n FROM ${table}`);
      return rows[0]?.n ?? -1;
    };
    return { table, count };
  }

  test('a query gives its rows and how many they are', async () => {
    const { table } = await setup();

    const inserted = await pool.query(`INSERT INTO ${table} SELECT generate_series(1, $1::integer)`, [3]);
    const { rows, rowCount } = await pool.query(`SELECT n FROM ${table} WHERE n > $1 ORDER BY n`, [1]);

    expect(inserted).toEqual({ rows: [], rowCount: 3 });
    expect({ rows, rowCount }).toEqual({ rows: [{ n: 2 }, { n: 3 }], rowCount: 2 });
  });

  test('what is done in the background is done in the same database, and rolled back where it fails', async () => {
    const { table, count } = await setup();
    const background = pool.inBackground();
    await background.query(`INSERT INTO ${table} VALUES (1)`);
    await background.transaction(async (tx) => {
      await tx.query(`INSERT INTO ${table} VALUES (2)`);
    });
    const failing = background.transaction(async (tx) => {
      await tx.query(`INSERT INTO ${table} VALUES (3)`);
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');

    expect(await count()).toBe(2);
    expect((await background.query(`SELECT n FROM ${table} ORDER BY n`)).rows).toEqual([{ n: 1 }, { n: 2 }]);
  });

  test('parameters of every kind come back as the values they were', async () => {
    const at = new Date('2026-02-03T04:05:06.789Z');
    const bytes = Buffer.from([0, 1, 2, 255]);
    const json = { b: [1, null, { x: 'é "quoted" \\ 😀' }], a: true };
    const { rows } = await pool.query(
      `SELECT $1::text AS text, $2::integer AS integer, $3::boolean AS boolean, $4::double precision AS float,
              $5::jsonb AS json, $6::timestamptz AS at, $7::bytea AS bytes, $8::text[] AS list, $9::text AS nothing,
              $10::integer[] AS numbers, $11::bigint AS big, $12::numeric AS exact`,
      ['é\n\'"', -7, true, 1.5, json, at, bytes, ['a', 'b,"c\\', null], null, [1, 2], 2n ** 60n, '1.10'],
    );

    expect(rows).toEqual([
      {
        text: 'é\n\'"',
        integer: -7,
        boolean: true,
        float: 1.5,
        json,
        at,
        bytes,
        list: ['a', 'b,"c\\', null],
        nothing: null,
        numbers: [1, 2],
        // Text, because a number would lose digits.
        big: '1152921504606846976',
        exact: '1.10',
      },
    ]);
  });

  test('bytes that are a part of a larger buffer arrive alone', async () => {
    const part = Buffer.from('before|part|after').subarray(7, 11);

    const { rows } = await pool.query('SELECT $1::bytea AS bytes', [part]);

    expect(rows).toEqual([{ bytes: Buffer.from('part') }]);
  });

  test('a large value survives', async () => {
    const text = 'x'.repeat(3_000_000);

    const { rows } = await pool.query<{ text: string }>('SELECT $1::text AS text', [text]);

    expect(rows[0]?.text === text).toBe(true);
  });

  test('without parameters a text may hold several statements, and the last one answers', async () => {
    const { table } = await setup();

    const { rows } = await pool.query(`INSERT INTO ${table} VALUES (1); SELECT n FROM ${table};`);

    expect(rows).toEqual([{ n: 1 }]);
  });

  test('a text without a statement does nothing', async () => {
    expect((await pool.query('-- nothing')).rows).toEqual([]);
  });

  test('a refused statement throws with its SQLSTATE and detail, and the next one works', async () => {
    const { table, count } = await setup();
    await pool.query(`INSERT INTO ${table} VALUES ($1)`, [1]);

    const refused = pool.query(`INSERT INTO ${table} VALUES ($1)`, [1]);

    await expect(refused).rejects.toMatchObject({
      code: '23505',
      detail: 'Key (n)=(1) already exists.',
      message: expect.stringContaining('duplicate key'),
    });
    expect(await count()).toBe(1);
  });

  test('a statement goes on after its table has changed', async () => {
    const { table } = await setup();
    const select = () => pool.query(`SELECT * FROM ${table} WHERE n > $1`, [0]);
    await pool.query(`INSERT INTO ${table} VALUES (1)`);
    await select();

    await pool.exec(`ALTER TABLE ${table} ADD COLUMN extra text DEFAULT 'new'`);

    expect((await select()).rows).toEqual([{ n: 1, extra: 'new' }]);
  });

  describe('a transaction', () => {
    test('is there as a whole once it has resolved', async () => {
      const { table, count } = await setup();

      const result = await pool.transaction(async (tx) => {
        await tx.query(`INSERT INTO ${table} VALUES ($1)`, [1]);
        await tx.query(`INSERT INTO ${table} VALUES ($1)`, [2]);
        return 'done';
      });

      expect([result, await count()]).toEqual(['done', 2]);
    });

    test('leaves nothing behind when its work throws, and throws the same', async () => {
      const { table, count } = await setup();
      const fault = new Error('changed my mind');

      const failed = pool.transaction(async (tx) => {
        await tx.query(`INSERT INTO ${table} VALUES (1)`);
        throw fault;
      });

      await expect(failed).rejects.toBe(fault);
      expect(await count()).toBe(0);
    });

    test('does not pass for committed when a failed statement was ignored', async () => {
      const { table, count } = await setup();

      const failed = pool.transaction(async (tx) => {
        await tx.query(`INSERT INTO ${table} VALUES (1)`);
        await tx.query(`INSERT INTO ${table} VALUES (1)`).catch(() => {});
      });

      await expect(failed).rejects.toMatchObject({ code: '25P02' });
      expect(await count()).toBe(0);
    });

    test('is not seen and not joined by queries beside it', async () => {
      const { table, count } = await setup();
      let beside: Promise<number> | undefined;

      const failed = pool.transaction(async (tx) => {
        await tx.query(`INSERT INTO ${table} VALUES (1)`);
        const insert = pool.query(`INSERT INTO ${table} VALUES (2)`);
        beside = insert.then(count);
        await tx.query(`INSERT INTO ${table} VALUES (3)`);
        throw new Error('rolled back');
      });

      await expect(failed).rejects.toThrow('rolled back');
      expect(await beside).toBe(1);
    });

    test('takes no more queries once it is over', async () => {
      const { table, count } = await setup();
      let kept: SqlQueryable | undefined;
      await pool.transaction(async (tx) => {
        kept = tx;
      });

      await expect(kept?.query(`INSERT INTO ${table} VALUES (1)`)).rejects.toThrow('is over');

      expect(await count()).toBe(0);
    });

    test('does not mix with others at the same time', async () => {
      const { table } = await setup();
      await pool.query(`INSERT INTO ${table} VALUES (0)`);

      const one = () =>
        pool.transaction(async (tx) => {
          const { rows } = await tx.query<{ n: number }>(`SELECT n FROM ${table} FOR UPDATE`);
          await tx.query(`UPDATE ${table} SET n = $1`, [(rows[0]?.n ?? 0) + 1]);
        });
      await Promise.all(Array.from({ length: 20 }, one));

      expect((await pool.query(`SELECT n FROM ${table}`)).rows).toEqual([{ n: 20 }]);
    });
  });

  describe('a listener', () => {
    test('hears what is notified on its channel until it stops', async () => {
      const heard: string[] = [];
      const stop = await pool.listen('News "of" today', (payload) => heard.push(payload));

      await pool.query('SELECT pg_notify($1, $2)', ['News "of" today', 'one']);
      await pool.query('SELECT pg_notify($1, $2)', ['other', 'not for us']);
      await pool.transaction((tx) => tx.query('SELECT pg_notify($1, $2)', ['News "of" today', 'two']));
      await waitFor(() => heard.length === 2, 'both payloads');
      await stop();
      await stop();
      await pool.query('SELECT pg_notify($1, $2)', ['News "of" today', 'three']);

      expect(heard).toEqual(['one', 'two']);
    });

    test('goes on when another one of its channel stops', async () => {
      const heard: string[] = [];
      const stopFirst = await pool.listen('shared', () => {});
      const stopSecond = await pool.listen('shared', (payload) => heard.push(payload));

      await stopFirst();
      await pool.query(`NOTIFY shared, 'still there'`);
      await waitFor(() => heard.length === 1, 'the payload');

      expect(heard).toEqual(['still there']);
      await stopSecond();
    });
  });

  describe('as a node-postgres pool', () => {
    test('names without a schema are looked up in its search path', async () => {
      await pool.exec(`CREATE SCHEMA ${SCHEMA}; CREATE TABLE ${SCHEMA}.things (n integer)`);
      const queue = pool.asNodePostgres(SCHEMA);

      await queue.query('INSERT INTO things VALUES ($1)', [1]);

      expect((await pool.query(`SELECT n FROM ${SCHEMA}.things`)).rows).toEqual([{ n: 1 }]);
      await queue.end();
    });

    test('a client has its transaction to itself while another one listens', async () => {
      const { table, count } = await setup();
      const queue = pool.asNodePostgres(SCHEMA);
      const listening = await queue.connect();
      const client = await queue.connect();
      const heard: unknown[] = [];
      listening.on('notification', ({ channel, payload }) => heard.push({ channel, payload }));
      await listening.query('-- comments come first\nLISTEN jobs');

      await client.query('BEGIN');
      await client.query(`INSERT INTO ${table} VALUES (1)`);
      const beside = queue.query(`INSERT INTO ${table} VALUES (2)`);
      await client.query(`NOTIFY jobs, 'never sent'`);
      await client.query('ROLLBACK');
      await beside;
      await client.query(`NOTIFY jobs, 'sent'`);
      await waitFor(() => heard.length > 0, 'the payload');

      expect(heard).toEqual([{ channel: 'jobs', payload: 'sent' }]);
      expect(await count()).toBe(1);
      client.release();
      listening.removeAllListeners();
      listening.release(true);
      await queue.end();
    });

    test('a client that is released inside a transaction leaves nothing of it', async () => {
      const { table, count } = await setup();
      const queue = pool.asNodePostgres(SCHEMA);
      const client = await queue.connect();
      await client.query('BEGIN');
      await client.query(`INSERT INTO ${table} VALUES (1)`);

      client.release(true);

      expect(await count()).toBe(0);
      await queue.end();
    });
  });
}
