import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { SqlPool } from '../../core/sql-pool.ts';
import type { VectorIndex } from '../../rag/vector-store.ts';
import { migrate } from '../../storage/migrate.ts';
import { createPglitePool } from '../../storage/pglite-pool.ts';
import { createPgvectorStore } from '../../storage/pgvector-store.ts';
import { point } from '../conformance/vector-store.suite.ts';
import { newDataDirectory } from '../support/pglite-template.ts';
import { createRandom } from '../support/random-json.ts';

describe('the vectors of an index that are too many to compare each, in PGlite', () => {
  const COUNT = 1_500;
  const DIMENSIONS = 32;
  const random = createRandom(7);
  const some = () => Float32Array.from({ length: DIMENSIONS }, () => random() - 0.5);
  const index: VectorIndex = { id: 'ver_sketched', dimensions: DIMENSIONS };
  const points = Array.from({ length: COUNT }, (_, at) => point(`s${at}`, 'x', { vector: some() }));
  const questions = Array.from({ length: 20 }, some);
  let directory = '';
  let pool: SqlPool;

  beforeAll(async () => {
    directory = await newDataDirectory();
    pool = await createPglitePool({ dataDir: `${directory}/pglite` });
    await migrate(pool);
    const store = await createPgvectorStore(pool);
    await store.ensure(index);
    await store.upsert(index, points);
  }, 60_000);
  afterAll(async () => {
    await pool?.close();
    await rm(directory, { recursive: true, force: true });
  });

  /** The share of the ten nearest that it finds, and whether each score is the cosine. */
  async function ask(): Promise<{ found: number; areExact: boolean }> {
    const store = await createPgvectorStore(pool);
    let found = 0;
    let areExact = true;
    for (const vector of questions) {
      const cosines = new Map(points.map(({ id, vector: other }) => [id, cosine(vector, other)]));
      const nearest = [...cosines].sort(([, a], [, b]) => b - a).slice(0, 10);
      const { dense } = await store.search(index, { terms: null, vector, limit: 10, documentIds: null });
      const ids = new Set(dense.map(({ id }) => id));
      found += nearest.filter(([id]) => ids.has(id)).length / nearest.length / questions.length;
      areExact &&= dense.every(({ id, score }) => Math.abs((cosines.get(id) ?? 2) - score) < 1e-5);
    }
    return { found, areExact };
  }

  test('are found by their sketches, and scored as they are', async () => {
    const { found, areExact } = await ask();
    expect(found).toBeGreaterThan(0.99);
    expect(areExact).toBe(true);
    const { rows } = await pool.query<{ count: number }>(
      `SELECT count(*)::int AS count FROM ${await sketches()}`,
    );
    expect(rows).toEqual([{ count: COUNT }]);
  });

  test('have no sketch any more when they are removed, and another when they change', async () => {
    const store = await createPgvectorStore(pool);
    const [first, second] = points;
    if (!first || !second) throw new Error('There are no points.');
    const nearest = async (vector: Float32Array | null) =>
      (await store.search(index, { terms: null, vector, limit: 1, documentIds: null })).dense[0]?.id;
    expect(await nearest(first.vector)).toBe(first.id);

    await store.upsert(index, [{ ...second, vector: first.vector?.map((value) => -value) ?? null }]);
    expect(await nearest(first.vector?.map((value) => -value) ?? null)).toBe(second.id);
    await store.remove(index, [second.id]);
    const { rows } = await pool.query<{ count: number }>(
      `SELECT count(*)::int AS count FROM ${await sketches()}`,
    );
    expect(rows).toEqual([{ count: COUNT - 1 }]);
    await store.upsert(index, [second]);
    expect(await nearest(second.vector)).toBe(second.id);
  });

  test('are compared each where the index was made before there were sketches', async () => {
    await pool.query(`DROP TABLE ${await sketches()}`);
    expect(await ask()).toEqual({ found: expect.closeTo(1, 5), areExact: true });
    const store = await createPgvectorStore(pool);
    await store.upsert(index, points.slice(0, 5));
    await store.remove(
      index,
      points.slice(0, 5).map(({ id }) => id),
    );
    await store.drop(index);
  });

  async function sketches(): Promise<string> {
    const { rows } = await pool.query<{ number: number }>(
      'SELECT number FROM citadel.search_index WHERE version_id = $1',
      [index.id],
    );
    return `citadel.vector_${rows[0]?.number}_sketch`;
  }
});

function cosine(a: Float32Array, b: Float32Array | null): number {
  const product = a.reduce((sum, value, at) => sum + value * (b?.[at] ?? 0), 0);
  return product / (Math.hypot(...a) * Math.hypot(...(b ?? [])));
}
