import { rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { SqlPool } from '../../core/sql-pool.ts';
import type { VectorStore } from '../../rag/vector-store.ts';
import { migrate } from '../../storage/migrate.ts';
import { createPgPool } from '../../storage/pg-pool.ts';
import { createPglitePool } from '../../storage/pglite-pool.ts';
import { createPgvectorStore } from '../../storage/pgvector-store.ts';
import { createPostgresBlobStore } from '../../storage/postgres-blob-store.ts';
import { moveStore } from '../../storage/store-move.ts';
import { point } from '../conformance/vector-store.suite.ts';
import { newDataDirectory } from '../support/pglite-template.ts';
import { pgvectorService, withoutPgvector } from '../support/pgvector.ts';
import { postgresService, startPostgres } from '../support/postgres.ts';
import { describeWith } from '../support/services.ts';

const LIMIT_MS = 60_000;
const INDEX = { id: 'version', dimensions: 3 };
/** Too long for HNSW. */
const LONG = { id: 'long', dimensions: 3_072 };
const QUERY = { terms: ['heron'], vector: new Float32Array([1, 0.2, 0]), limit: 10, documentIds: null };

interface ServerMove {
  source: SqlPool;
  server: SqlPool;
  /** Of `source`, with both indexes in it. */
  store: VectorStore;
}

const directories: string[] = [];
let from: SqlPool;
let to: SqlPool;

async function open(): Promise<SqlPool> {
  const directory = await newDataDirectory();
  directories.push(directory);
  return await createPglitePool({ dataDir: `${directory}/pglite` });
}

beforeAll(async () => {
  [from, to] = await Promise.all([open(), open()]);
  await migrate(from);
}, LIMIT_MS);
afterAll(async () => {
  await Promise.all([from?.close(), to?.close()]);
  await Promise.all(directories.map((directory) => rm(directory, { recursive: true, force: true })));
});

test(
  'indexes answer the same, uploads are there, times are exact, and the next index gets a number of its own',
  async () => {
    const before = await createPgvectorStore(from);
    await before.ensure(INDEX);
    await before.upsert(INDEX, [
      point('a', 'heron heron', { vector: new Float32Array([1, 0.1, 0]) }),
      point('b', 'a heron', { vector: new Float32Array([0, 1, 0.123456789]) }),
    ]);
    const found = await before.search(INDEX, QUERY);
    expect([found.lexical.length, found.dense.length]).toEqual([2, 2]);
    const blobs = { from: createPostgresBlobStore(from), to: createPostgresBlobStore(to) };
    await blobs.from.write(Readable.from([Buffer.alloc(600_000, 7)]), 1_000_000);
    await from.query(`INSERT INTO citadel.step_cache VALUES ('k', 'v', '2027-01-31 12:00:00.123456+00')`);

    const none = { ...blobs, from: { ...blobs.from, olderThan: async () => [] } };
    const counts = await moveStore({ from, to, blobs: none });

    expect(counts).toMatchObject({ search_index: 1, search_point: 2, blob: 1, blob_part: 3, step_cache: 1 });
    const after = await createPgvectorStore(to);
    expect(await after.search(INDEX, QUERY)).toEqual(found);
    const { rows } = await to.query(
      `SELECT to_char(expires_at AT TIME ZONE 'UTC', 'HH24:MI:SS.US') AS at FROM citadel.step_cache`,
    );
    expect(rows).toEqual([{ at: '12:00:00.123456' }]);
    await after.ensure({ id: 'another', dimensions: null });
    const numbers = await to.query('SELECT number FROM citadel.search_index ORDER BY number');
    expect(numbers.rows).toEqual([{ number: 1 }, { number: 2 }]);
  },
  LIMIT_MS,
);

async function moveToServer(check: (move: ServerMove) => Promise<void>): Promise<void> {
  const postgres = await startPostgres();
  const server = createPgPool(postgres?.url ?? '');
  const source = await open();
  try {
    await migrate(source);
    const store = await createPgvectorStore(source);
    await store.ensure(INDEX);
    await store.upsert(INDEX, [point('a', 'heron', { vector: new Float32Array([1, 0, 0]) })]);
    await store.ensure(LONG);
    await store.upsert(LONG, [point('b', 'crane', { vector: new Float32Array(LONG.dimensions).fill(1) })]);
    await check({ source, server, store });
  } finally {
    await Promise.all([source.close(), server.close()]);
    await postgres?.stop();
  }
}

describeWith(pgvectorService, 'to a Postgres server with pgvector', () => {
  test(
    'vectors are found there as here, those that are too long for HNSW by their sketches',
    () =>
      moveToServer(async ({ source, server, store }) => {
        const blobs = { from: createPostgresBlobStore(source), to: createPostgresBlobStore(server) };
        expect(await moveStore({ from: source, to: server, blobs })).toMatchObject({
          ...{ search_index: 2, search_point: 2, vector_1: 1, vector_2: 1, vector_2_sketch: 1 },
        });
        const moved = await createPgvectorStore(server);
        const long = { ...QUERY, vector: new Float32Array(LONG.dimensions).fill(2) };
        expect(await moved.search(INDEX, QUERY)).toEqual(await store.search(INDEX, QUERY));
        expect((await moved.search(LONG, long)).dense).toEqual([
          { id: (await store.search(LONG, long)).dense[0]?.id, score: expect.closeTo(1, 3) },
        ]);
        await moved.upsert(LONG, [point('c', 'x', { vector: new Float32Array(LONG.dimensions).fill(-1) })]);
        expect((await moved.search(LONG, long)).dense).toHaveLength(2);
      }),
    LIMIT_MS,
  );
});

describeWith(postgresService, 'to a Postgres server without pgvector', () => {
  test(
    'a move with vectors says what is missing, and leaves nothing; without any it is made',
    () =>
      moveToServer(async ({ source, server, store }) => {
        const to = withoutPgvector(server);
        const blobs = { from: createPostgresBlobStore(source), to: createPostgresBlobStore(server) };
        const move = () => moveStore({ from: source, to, blobs });

        await expect(move()).rejects.toMatchObject({
          code: 'conflict',
          message: expect.stringMatching(/pgvector.*Nothing was copied/),
        });
        await store.drop(INDEX);
        await store.drop(LONG);
        expect(await move()).toMatchObject({ search_index: 0, search_point: 0 });
      }),
    LIMIT_MS,
  );
});
