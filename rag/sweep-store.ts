import type { VectorIndex } from './vector-store.ts';

/** What is left over: points, indexes, blobs and rows that nothing needs any more. */
export interface SweepStore {
  /** Points of one index that no chunk needs, which nobody writes for a minute. */
  takePoints(max: number): Promise<{ index: VectorIndex; pointIds: string[] } | null>;
  pointsRemoved(versionId: string, pointIds: readonly string[]): Promise<void>;
  /** Marks what is left of collections that are gone, and indexes retired for longer than `keptDays`. */
  retire(keptDays: number): Promise<void>;
  indexes(): Promise<VectorIndex[]>;
  /** Takes away rows of an index that is to go; true once none is left. */
  purgeRows(versionId: string, max: number): Promise<boolean>;
  indexDropped(versionId: string): Promise<void>;
  /** Calls `remove` for blobs that no document needs, while none can come to need it. */
  sweepBlobs(max: number, remove: (sha256: string) => Promise<void>): Promise<number>;
  /** Lists those of the blobs that no document needs. */
  noteBlobs(sha256s: readonly string[]): Promise<void>;
  /** Some old jobs, and vectors that were not used for long or are too many; whether there may be more. Days of 0: for good. */
  forget(limits: { jobDays: number; vectorDays: number; vectorsMax: number }): Promise<boolean>;
}
