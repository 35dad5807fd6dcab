import type { VectorIndex } from './vector-store.ts';

/** A point that the rows say should be in the index, with all that it is made of. */
export interface LostPoint {
  pointId: string;
  documentId: string;
  title: string | null;
  headingPath: string[];
  text: string;
  textHash: string;
  /** Who pays for its vector, and their share. */
  owner: string;
  weight: number;
}

/** What the rows say of an index, to hold the index against. */
export interface IndexRows {
  /** In the order of their ids, after `after`. `isIndexed`: it should be there; else it may be. */
  points(
    versionId: string,
    after: string | null,
    limit: number,
  ): Promise<{ pointId: string; isIndexed: boolean }[]>;
  lost(versionId: string, pointIds: readonly string[]): Promise<LostPoint[]>;
  /** Puts those that no chunk has on the list of what the sweep deletes. */
  discard(index: VectorIndex, pointIds: readonly string[]): Promise<void>;
}
