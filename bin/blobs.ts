import { join } from 'node:path';
import type { Config } from '../core/config.ts';
import type { BlobStore } from '../rag/blob-store.ts';
import { createDiskBlobStore } from '../storage/disk-blob-store.ts';
import { createPostgresBlobStore } from '../storage/postgres-blob-store.ts';
import type { Store } from './stores.ts';

/** Bytes that came from outside: in the data directory where one process has all, else in the database. */
export async function openBlobs({ dataDir }: Config, store: Store): Promise<BlobStore> {
  if (store.kind === 'postgres') return createPostgresBlobStore(store);
  return await createDiskBlobStore(join(dataDir, 'blobs'));
}
