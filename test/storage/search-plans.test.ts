import { expect, test } from '@jest/globals';
import { createPostgresIndexRows } from '../../storage/postgres-index-rows.ts';
import { createPostgresVisibleChunks } from '../../storage/postgres-visible-chunks.ts';
import { openSearchBundle } from '../rag/search-bundle.ts';
import { explaining } from '../support/explaining-pool.ts';

test('what was found is looked up by its points, however many chunks its documents have', async () => {
  const bundle = await openSearchBundle();
  try {
    const words = 'Some words of a chunk that is not short at all. '.repeat(8);
    const documents = Array.from({ length: 12 }, (_, number) => ({
      id: `long${number}`,
      texts: Array.from({ length: 100 }, (_, at) => `${number} ${at} ${words}`),
    }));
    const collection = await bundle.collection(documents, { embeddingModel: null });
    const { rows } = await bundle.pool.query<{ point_id: string }>(
      'SELECT point_id FROM citadel.chunk ORDER BY point_id LIMIT 25',
    );
    const ids = rows.map(({ point_id }) => point_id);
    const plans = new Map<string, string>();
    const pool = explaining(bundle.pool, plans);
    const condition = { field: 'x', operator: 'ne', value: 'y' } as const;

    expect(await createPostgresVisibleChunks(pool).byPoints(collection.activeVersion, ids)).toHaveLength(25);
    await createPostgresVisibleChunks(pool).byPoints(collection.activeVersion, ids, [condition]);
    await createPostgresIndexRows(pool).lost(collection.activeVersion, ids);

    expect(plans.size).toBe(3);
    for (const plan of plans.values()) {
      expect(plan).toMatch(/Index Scan using chunk_point on chunk/);
      expect(plan).not.toMatch(/Seq Scan on (chunk|document)|chunk_pkey/);
    }
  } finally {
    await bundle.close();
  }
}, 60_000);
