import { rm } from 'node:fs/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { SqlPool } from '../../core/sql-pool.ts';
import { type Maintenance, startMaintenance } from '../../storage/pglite-maintenance.ts';
import { createPglitePool } from '../../storage/pglite-pool.ts';
import { newDataDirectory } from '../support/pglite-template.ts';
import { waitFor } from '../support/wait-for.ts';

let directory: string;
let pool: SqlPool;
let maintenance: Maintenance | undefined;
const errors: Error[] = [];

beforeEach(async () => {
  directory = await newDataDirectory();
  pool = await createPglitePool({ dataDir: `${directory}/pglite` });
  // With so many columns few rows fit a page, as far as is known of them: a scan of an empty table seems cheap.
  const columns = Array.from({ length: 30 }, (_, at) => `c${at} text`);
  await pool.query(`CREATE TABLE grown (id text PRIMARY KEY, value text NOT NULL, ${columns.join(', ')})`);
});
afterEach(async () => {
  maintenance?.stop();
  await pool.close();
  await rm(directory, { recursive: true, force: true });
  expect(errors.splice(0)).toEqual([]);
});

const begin = () => {
  maintenance = startMaintenance(pool, (error) => errors.push(error), { intervalMs: 50 });
};
const fill = () =>
  pool.query(
    "INSERT INTO grown (id, value) SELECT i::text, repeat('x', 100) FROM generate_series(1, 20000) AS i",
  );

test('a statement that was prepared on an empty table is planned anew when the table has grown', async () => {
  await pool.query(
    'PREPARE find(text[]) AS SELECT value FROM grown WHERE id = ANY (ARRAY(SELECT unnest($1)))',
  );
  for (let at = 0; at < 8; at += 1) await pool.query("EXECUTE find('{1}')");
  const plan = async () => {
    const { rows } = await pool.query<{ 'QUERY PLAN': string }>("EXPLAIN EXECUTE find('{1}')");
    return rows.map((row) => row['QUERY PLAN']).join('\n');
  };
  await fill();
  expect(await plan()).toMatch(/Seq Scan on grown/);

  begin();
  await waitFor(async () => /grown_pkey/.test(await plan()), 'a plan that uses the index');
});

test('a table that is mostly dead rows is freed of them', async () => {
  await fill();
  await pool.query('DELETE FROM grown');
  begin();

  await waitFor(async () => {
    const { rows } = await pool.query<{ bytes: string }>("SELECT pg_relation_size('grown') AS bytes");
    return Number(rows[0]?.bytes) === 0;
  }, 'a table without dead rows');
});
