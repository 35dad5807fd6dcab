import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect, test } from '@jest/globals';
import type { SqlPool } from '../../core/sql-pool.ts';
import { createDiskBlobStore } from '../../storage/disk-blob-store.ts';
import { migrate } from '../../storage/migrate.ts';
import { createPgPool } from '../../storage/pg-pool.ts';
import { createPglitePool } from '../../storage/pglite-pool.ts';
import { createPostgresBlobStore } from '../../storage/postgres-blob-store.ts';
import { blobStoreSuite } from '../conformance/blob-store.suite.ts';
import { newDataDirectory } from '../support/pglite-template.ts';
import { postgresService, startPostgres } from '../support/postgres.ts';
import { describeWith } from '../support/services.ts';

describe('blobs on disk', () => {
  blobStoreSuite(async () => {
    const directory = await mkdtemp(join(tmpdir(), 'citadel-blobs-'));
    return {
      store: await createDiskBlobStore(directory),
      count: () => countFiles(directory),
      close: () => rm(directory, { recursive: true }),
    };
  });

  test('what a process left unfinished is removed by the next one', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'citadel-blobs-'));
    await mkdir(join(directory, 'unfinished'));
    await writeFile(join(directory, 'unfinished', 'half'), 'half of');

    await createDiskBlobStore(directory);

    expect(await countFiles(directory)).toBe(0);
    await rm(directory, { recursive: true });
  });

  test('a directory that is gone is said to be unavailable', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'citadel-blobs-'));
    const store = await createDiskBlobStore(directory);
    await rm(directory, { recursive: true });

    await expect(store.write(Readable.from([Buffer.from('x')]), 10)).rejects.toMatchObject({
      code: 'store_unavailable',
    });
  });
});

describe('blobs in PGlite', () => {
  blobStoreSuite(async () => {
    const directory = await newDataDirectory();
    const pool = await createPglitePool({ dataDir: join(directory, 'pglite') });
    return await inDatabase(pool, async () => {
      await pool.close();
      await rm(directory, { recursive: true });
    });
  });
});

describeWith(postgresService, 'blobs on a Postgres server', () => {
  blobStoreSuite(async () => {
    const postgres = await startPostgres();
    const pool = createPgPool(postgres?.url ?? '');
    return await inDatabase(pool, async () => {
      await pool.close();
      await postgres?.stop();
    });
  });
});

async function inDatabase(pool: SqlPool, close: () => Promise<void>) {
  await migrate(pool);
  const count = async () => {
    const { rows } = await pool.query<{ n: number }>(
      'SELECT (SELECT count(*) FROM citadel.blob_part)::integer + (SELECT count(*) FROM citadel.blob)::integer AS n',
    );
    return rows[0]?.n ?? -1;
  };
  return { store: createPostgresBlobStore(pool), count, close };
}

async function countFiles(directory: string): Promise<number> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).length;
}
