import { failPoint } from '../core/fail-point.ts';
import type { BlobStore } from './blob-store.ts';
import type { SweepStore } from './sweep-store.ts';
import type { VectorStore } from './vector-store.ts';

interface SweepOptions {
  store: SweepStore;
  vectors: Pick<VectorStore, 'remove' | 'drop'>;
  blobs: Pick<BlobStore, 'remove' | 'olderThan'>;
  keptDays: number;
}

const POINTS_MAX = 256;
const BATCHES_MAX = 20;
const ROWS_MAX = 500;
const BLOBS_MAX = 20;
const FORGET_EVERY_MS = 3_600_000;
const LIMITS = { jobDays: 30, vectorDays: 30, vectorsMax: 500_000 } as const;

/** Takes away what nothing needs any more, some of it at a time. Tells whether an index is being dropped. */
export function createRagSweep({ store, vectors, blobs, keptDays }: SweepOptions): () => Promise<boolean> {
  let forgotAtMs = Number.NEGATIVE_INFINITY;

  return async () => {
    await store.retire(keptDays);
    const drops = await dropIndexes();
    await sweepPoints();
    await store.sweepBlobs(BLOBS_MAX, (sha256) => blobs.remove(sha256));
    if (performance.now() - forgotAtMs < FORGET_EVERY_MS) return drops;
    await store.forget(LIMITS);
    await noteLostBlobs();
    forgotAtMs = performance.now();
    return drops;
  };

  /** Of requests that failed between a file and its rows. */
  async function noteLostBlobs(): Promise<void> {
    for (let after: string | null = null; ; ) {
      const names: string[] = await blobs.olderThan(FORGET_EVERY_MS, after, ROWS_MAX);
      await store.noteBlobs(names);
      after = names.at(-1) ?? null;
      if (names.length < ROWS_MAX) return;
    }
  }

  async function dropIndexes(): Promise<boolean> {
    const indexes = await store.indexes();
    for (const index of indexes) {
      if (!(await store.purgeRows(index.id, ROWS_MAX))) continue;
      await vectors.drop(index);
      await store.indexDropped(index.id);
    }
    return indexes.length > 0;
  }

  async function sweepPoints(): Promise<void> {
    for (let batches = 0; batches < BATCHES_MAX; batches++) {
      const taken = await store.takePoints(POINTS_MAX);
      if (!taken) return;
      await vectors.remove(taken.index, taken.pointIds);
      failPoint('sweep.points');
      await store.pointsRemoved(taken.index.id, taken.pointIds);
    }
  }
}
