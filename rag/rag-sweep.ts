import { failPoint } from '../core/fail-point.ts';
import type { BlobStore } from './blob-store.ts';
import type { SweepStore } from './sweep-store.ts';
import type { VectorStore } from './vector-store.ts';

interface SweepOptions {
  store: SweepStore;
  vectors: Pick<VectorStore, 'remove' | 'drop'>;
  blobs: Pick<BlobStore, 'remove' | 'olderThan'>;
  keptDays: number;
  /** Jobs that have ended, and vectors that nobody uses; 0: for good. */
  forget: { jobDays: number; vectorDays: number };
}

const POINTS_MAX = 256;
const BATCHES_MAX = 20;
const ROWS_MAX = 500;
const BLOBS_MAX = 20;
const FORGET_EVERY_MS = 3_600_000;
const VECTORS_MAX = 500_000;

/** Takes away what nothing needs any more, some of it at a time. Tells whether there is more to do before long. */
export function createRagSweep({
  store,
  vectors,
  blobs,
  keptDays,
  forget,
}: SweepOptions): () => Promise<boolean> {
  let forgotAtMs = Number.NEGATIVE_INFINITY;

  return async () => {
    await store.retire(keptDays);
    const drops = await dropIndexes();
    await sweepPoints();
    await store.sweepBlobs(BLOBS_MAX, (sha256) => blobs.remove(sha256));
    if (performance.now() - forgotAtMs < FORGET_EVERY_MS) return drops;
    if (await store.forget({ ...forget, vectorsMax: VECTORS_MAX })) return true;
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
