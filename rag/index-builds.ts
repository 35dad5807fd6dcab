import type { Logger } from '../core/logger.ts';
import { activateIndex } from './active-index.ts';
import type { CollectionStore } from './collection.ts';
import type { VectorStore } from './vector-store.ts';

interface BuildOptions {
  collections: Pick<CollectionStore, 'building' | 'remake' | 'switchTo'>;
  vectors: Pick<VectorStore, 'activate'>;
  /** There are documents to take in. */
  nudge(): void;
  logger: Logger;
}

const DOCUMENTS_AT_ONCE = 500;

/** Brings on the indexes that are built beside those which are searched, and switches to those that have everything. Tells
 *  whether any was being built. */
export function createIndexBuilds({
  collections,
  vectors,
  nudge,
  logger,
}: BuildOptions): () => Promise<boolean> {
  return async () => {
    const building = await collections.building();
    for (const version of building) {
      const begun = await collections.remake(version, DOCUMENTS_AT_ONCE);
      if (begun > 0) nudge();
      else if (await collections.switchTo(version)) {
        logger.info('a collection is searched by another index now', {
          collection: version.collectionId,
          index: version.id,
        });
        await activateIndex({ vectors, logger }, version);
      }
    }
    return building.length > 0;
  };
}
