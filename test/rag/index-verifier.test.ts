import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createEmbeddingBatcher } from '../../rag/embedding-batcher.ts';
import { createIndexVerifier } from '../../rag/index-verifier.ts';
import type { VectorStore } from '../../rag/vector-store.ts';
import { createPostgresEmbedCache } from '../../storage/postgres-embed-cache.ts';
import { createPostgresIndexRows } from '../../storage/postgres-index-rows.ts';
import { createPostgresIngestWork } from '../../storage/postgres-ingest-work.ts';
import { createPostgresSweepStore } from '../../storage/postgres-sweep-store.ts';
import { point } from '../conformance/vector-store.suite.ts';
import { openSearchBundle, type SearchBundle, wordVectors } from './search-bundle.ts';

const signal = new AbortController().signal;
let bundle: SearchBundle;

beforeAll(async () => {
  bundle = await openSearchBundle();
});

afterAll(async () => {
  await bundle?.close();
});

function setup(activate?: VectorStore['activate']) {
  const { pool, collections } = bundle;
  const store: VectorStore = { ...bundle.store, activate };
  const cache = createPostgresEmbedCache(pool);
  return createIndexVerifier({
    collections,
    rows: createPostgresIndexRows(pool),
    store,
    work: createPostgresIngestWork(pool),
    batcher: createEmbeddingBatcher({
      embedder: wordVectors,
      cache,
      textsMax: 16,
      tokensMax: 4_096,
      callsMax: 1,
    }),
    leftovers: createPostgresSweepStore(pool),
  });
}

test('what the index lacks is written anew, and what no row knows is taken out of it', async () => {
  const texts = Array.from({ length: 1_200 }, (_, number) => `fox number${number}`);
  const collection = await bundle.collection([{ id: 'many', texts }], { embeddingModel: 'words' });
  const { store } = bundle;
  const { index } = collection;
  const ids = await store.ids(index, null, 5_000);
  const lost = [...ids.slice(0, 3), ...ids.slice(998, 1_003), ...ids.slice(-2)];
  await store.remove(index, lost);
  const strange = Array.from({ length: 5 }, (_, number) => ({
    ...point(`strange${number}`, 'fox fox fox'),
    vector: new Float32Array(32).fill(1),
  }));
  await store.upsert(index, strange);
  const verifier = setup();

  expect(await verifier.verify(collection, signal)).toEqual({
    ...{ checked: 1_200, missing: 10, orphans: 5, repaired: 15 },
  });
  expect(await verifier.verify(collection, signal)).toEqual({
    ...{ checked: 1_200, missing: 0, orphans: 0, repaired: 0 },
  });
  expect(await store.ids(index, null, 5_000)).toEqual(ids);
  const { hits } = await bundle.search.search(
    { collection: collection.name, query: 'fox number7', top_k: 1 },
    { keyName: null, weight: 1, seesAll: true },
    signal,
  );
  expect(hits[0]?.text).toBe('fox number7');
});

test('a verification tells the index store which index is searched', async () => {
  const collection = await bundle.collection([]);
  const told: string[] = [];
  const verifier = setup(async ({ id }, collectionId) => void told.push(`${collectionId}: ${id}`));
  await verifier.verify(collection, signal);
  expect(told).toEqual([`${collection.id}: ${collection.activeVersion}`]);
});

test('a collection without anything in it is as it should be', async () => {
  const collection = await bundle.collection([]);
  expect(await setup().verify(collection, signal)).toEqual({
    checked: 0,
    missing: 0,
    orphans: 0,
    repaired: 0,
  });
});
