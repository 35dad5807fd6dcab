import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { migrate } from '../../storage/migrate.ts';
import { createPglitePool } from '../../storage/pglite-pool.ts';
import { ingestBundle } from '../conformance/ingest-bundle.ts';
import { explaining } from '../support/explaining-pool.ts';
import { newDataDirectory } from '../support/pglite-template.ts';

// So many, and so long, that another plan is better than to read all.
const DOCUMENTS = 1_000;
const TEXT = 'Some words of a document. '.repeat(60);

test('of all that is under way only a claim looks at the line, however much that is', async () => {
  const directory = await newDataDirectory();
  const pool = await createPglitePool({ dataDir: join(directory, 'pglite') });
  try {
    await migrate(pool);
    const plans = new Map<string, string>();
    const bundle = await ingestBundle(explaining(pool, plans));
    const collection = await bundle.collection();
    const documents = Array.from({ length: DOCUMENTS }, (_, number) => ({
      externalId: `document ${number}`,
      text: `${number}. ${TEXT}`,
    }));
    await bundle.ingest(collection, documents);
    plans.clear();
    await bundle.turn();
    const job = await bundle.ingest(collection, documents);
    await bundle.items(job);
    await bundle.documents.list(collection.id, { limit: 100, after: null });

    expect(plans.size).toBeGreaterThan(15);
    const lookers = [...plans].filter(([, plan]) => /generation_line|generation_collection/.test(plan));
    expect(lookers.map(([text]) => text.trim().split('\n')[0])).toEqual(['WITH line AS (']);
  } finally {
    await pool.close();
    await rm(directory, { recursive: true, force: true });
  }
}, 60_000);
