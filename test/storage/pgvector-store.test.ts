import { afterAll, describe, expect, test } from '@jest/globals';
import type { SqlPool } from '../../core/sql-pool.ts';
import type { VectorIndex } from '../../rag/vector-store.ts';
import { migrate } from '../../storage/migrate.ts';
import { createPgPool } from '../../storage/pg-pool.ts';
import { createPglitePool } from '../../storage/pglite-pool.ts';
import { createPgvectorStore, findOrMakeExtension } from '../../storage/pgvector-store.ts';
import { point, type VectorStoreFixture, vectorStoreSuite } from '../conformance/vector-store.suite.ts';
import { newDataDirectory } from '../support/pglite-template.ts';
import { pgvectorService, withoutPgvector } from '../support/pgvector.ts';
import { postgresService, startPostgres } from '../support/postgres.ts';
import { describeWith } from '../support/services.ts';

let embedded: Promise<SqlPool> | undefined;

// One database for all of this file: each index is by itself.
function openEmbedded(): Promise<SqlPool> {
  embedded ??= newDataDirectory().then(async (directory) => {
    const pool = await createPglitePool({ dataDir: `${directory}/pglite` });
    await migrate(pool);
    return pool;
  });
  return embedded;
}

async function fixtureOn(pool: SqlPool, usesHnsw: boolean, close: () => Promise<void>) {
  const another = () => createPgvectorStore(pool, { usesHnsw });
  return { store: await another(), another, close } satisfies VectorStoreFixture;
}

afterAll(async () => {
  await (await embedded)?.close();
});

describe('PGlite', () => {
  vectorStoreSuite(async () => fixtureOn(await openEmbedded(), false, async () => {}));
});

describe('PGlite, with HNSW', () => {
  vectorStoreSuite(async () => fixtureOn(await openEmbedded(), true, async () => {}));
});

describe('the words of an index', () => {
  test('what is dead is taken out of the postings, and scores stay as they are', async () => {
    const pool = await openEmbedded();
    const store = await createPgvectorStore(pool);
    const index: VectorIndex = { id: 'ver_cleaned', dimensions: null };
    await store.ensure(index);
    const points = Array.from({ length: 1_500 }, (_, number) =>
      point(`c${number}`, `shared word${number} ${number % 2 ? 'odd' : 'even'}`, { vector: null }),
    );
    await store.upsert(index, points);
    const size = async () => {
      const { rows } = await pool.query<{ bytes: string; terms: string }>(
        `SELECT sum(octet_length(postings)) AS bytes, count(*) AS terms
           FROM citadel.search_posting JOIN citadel.search_index ON number = index_number WHERE version_id = $1`,
        [index.id],
      );
      return { bytes: Number(rows[0]?.bytes), terms: Number(rows[0]?.terms) };
    };
    const full = await size();
    await store.remove(
      index,
      points.slice(0, 1_200).map(({ id }) => id),
    );

    const cleaned = await size();
    expect(cleaned.terms).toBeLessThan(full.terms - 1_000);
    expect(cleaned.bytes).toBeLessThan(full.bytes / 3);
    const { lexical } = await store.search(index, {
      ...{ terms: ['odd'], vector: null, limit: 1_000, documentIds: null },
    });
    expect(lexical).toHaveLength(150);
    // ln(1 + (300 - 150 + 0.5) / (150 + 0.5)) / (1 + 1.2), all of one length.
    expect(lexical[0]?.score).toBeCloseTo(Math.log(2) / 2.2, 3);

    await store.remove(
      index,
      points.map(({ id }) => id),
    );
    expect(await size()).toEqual({ bytes: 0, terms: 0 });
  });
});

describeWith(pgvectorService, 'Postgres, with pgvector', () => {
  vectorStoreSuite(async () => {
    const { pool, close } = await openServer();
    return await fixtureOn(pool, true, close);
  });
});

describeWith(postgresService, 'Postgres, by words', () => {
  vectorStoreSuite(
    async () => {
      const { pool, close } = await openServer();
      return await fixtureOn(withoutPgvector(pool), true, close);
    },
    { hasVectors: false },
  );
});

describeWith(postgresService, 'Postgres', () => {
  test('serves words without pgvector, and refuses an index with vectors by saying so', async () => {
    const { pool: server, close } = await openServer();
    const pool = withoutPgvector(server);
    const store = await createPgvectorStore(pool);
    expect(store.hasVectors).toBe(false);
    const index: VectorIndex = { id: 'ver_words', dimensions: null };
    await store.ensure(index);
    await store.upsert(index, [point('a', 'red', { vector: null })]);
    const query = { terms: ['red'], vector: null, limit: 5, documentIds: null };
    expect((await store.search(index, query)).lexical).toHaveLength(1);
    await expect(store.ensure({ id: 'ver_dense', dimensions: 3 })).rejects.toMatchObject({
      code: 'invalid_request',
      message: expect.stringContaining('pgvector'),
    });
    // As a store with vectors that is moved there is refused.
    await expect(findOrMakeExtension(pool)).rejects.toThrow(
      'The database has no pgvector of 0.8 or newer: install it there.',
    );
    await close();
  });
});

async function openServer() {
  const server = await startPostgres();
  if (!server) throw new Error('Postgres is not installed.');
  const pool = createPgPool(server.url);
  await migrate(pool);
  const close = async () => {
    await pool.close();
    await server.stop();
  };
  return { pool, close };
}
