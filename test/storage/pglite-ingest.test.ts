import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe } from '@jest/globals';
import { createPglitePool } from '../../storage/pglite-pool.ts';
import { ingestSuite } from '../conformance/ingest.suite.ts';
import { reindexSuite } from '../conformance/reindex.suite.ts';
import { newDataDirectory } from '../support/pglite-template.ts';

async function open() {
  const directory = await newDataDirectory();
  const pool = await createPglitePool({ dataDir: join(directory, 'pglite'), onFatal() {} });
  return {
    pool,
    async close() {
      await pool.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

describe('ingest on the embedded store', () => {
  ingestSuite(open, { hasVectors: true });
});

describe('another index on the embedded store', () => {
  reindexSuite(open, { hasVectors: true });
});
