import type { Logger } from '../core/logger.ts';
import { activateIndex } from './active-index.ts';
import type { CollectionStore, IndexVersion } from './collection.ts';
import type { VectorStore } from './vector-store.ts';

/** Indexes that are built beside those which are searched. */
export interface IndexBuilds {
  /** Brings them on, and switches to those that have everything: a document that one cannot take in keeps it from that, so that
   *  nothing that is found vanishes unasked. Tells whether any was being built. */
  bringOn(): Promise<boolean>;
  /** Switches without the documents that it could not take in. False while there are others that it has not. */
  switchWithoutFailed(version: IndexVersion): Promise<boolean>;
}

interface BuildOptions {
  collections: Pick<CollectionStore, 'building' | 'remake' | 'switchTo'>;
  vectors: Pick<VectorStore, 'activate'>;
  /** There are documents to take in. */
  nudge(): void;
  logger: Logger;
}

const DOCUMENTS_AT_ONCE = 500;

export function createIndexBuilds({ collections, vectors, nudge, logger }: BuildOptions): IndexBuilds {
  return {
    async bringOn() {
      const building = await collections.building();
      for (const version of building) {
        const begun = await collections.remake(version, DOCUMENTS_AT_ONCE);
        if (begun > 0) nudge();
        else await switchTo(version, { withoutFailed: false });
      }
      return building.length > 0;
    },
    switchWithoutFailed: (version) => switchTo(version, { withoutFailed: true }),
  };

  async function switchTo(version: IndexVersion, options: { withoutFailed: boolean }): Promise<boolean> {
    if (!(await collections.switchTo(version, options))) return false;
    logger.info('a collection is searched by another index now', {
      collection: version.collectionId,
      index: version.id,
    });
    await activateIndex({ vectors, logger }, version);
    return true;
  }
}
