// V1: what the index lacks is written anew; what it has and no row knows goes the way of all deleted points, by the sweep,
//     which looks once more whether anybody has come to need it.
import { setTimeout as pause } from 'node:timers/promises';
import { AppError } from '../core/errors.ts';
import type { Collection, CollectionStore } from './collection.ts';
import type { EmbeddingBatcher } from './embedding-batcher.ts';
import type { IndexRows, LostPoint } from './index-rows.ts';
import type { IngestWork } from './ingest-work.ts';
import { embeddedText } from './point-id.ts';
import type { SweepStore } from './sweep-store.ts';
import { countTerms } from './text-terms.ts';
import type { Point, VectorIndex, VectorStore } from './vector-store.ts';

export interface IndexVerification {
  /** Points that the rows have. */
  checked: number;
  missing: number;
  orphans: number;
  repaired: number;
}

interface IndexVerifierDeps {
  collections: Pick<CollectionStore, 'versions'>;
  rows: IndexRows;
  store: VectorStore;
  work: Pick<IngestWork, 'keepPoints'>;
  batcher: Pick<EmbeddingBatcher, 'embed'>;
  leftovers: Pick<SweepStore, 'takePoints' | 'pointsRemoved'>;
}

const PAGE = 1_000;
const REPAIRED_AT_ONCE = 128;
const SWEPT_BATCHES_MAX = 20;
const SWEEP_POLLS = 50;
const SWEEP_POLL_MS = 100;

/** Holds a collection's active index against its rows, both ways, and sets right what differs. */
export function createIndexVerifier(deps: IndexVerifierDeps) {
  return {
    async verify(collection: Collection, signal: AbortSignal): Promise<IndexVerification> {
      const index = await activeIndex(deps, collection);
      const total: IndexVerification = { checked: 0, missing: 0, orphans: 0, repaired: 0 };
      for (let after: string | null = null, isLast = false; !isLast; ) {
        signal.throwIfAborted();
        const rows = await deps.rows.points(index.id, after, PAGE);
        isLast = rows.length < PAGE;
        const until: string | null = isLast ? null : (rows.at(-1)?.pointId ?? null);
        const found = await idsBetween(deps.store, index, { after, until });
        const known = new Set(rows.map(({ pointId }) => pointId));
        const missing = rows.filter(({ pointId, isIndexed }) => isIndexed && !found.has(pointId));
        const orphans = [...found].filter((id) => !known.has(id));
        total.checked += rows.length;
        total.missing += missing.length;
        total.orphans += orphans.length;
        total.repaired += await repair(
          deps,
          { index, collection, ids: missing.map(({ pointId }) => pointId) },
          signal,
        );
        if (orphans.length > 0) await deps.rows.discard(index, orphans);
        after = until;
      }
      if (total.orphans > 0) await sweep(deps);
      await deps.store.activate?.(index, collection.id);
      return { ...total, repaired: total.repaired + total.orphans };
    },
  };
}

export type IndexVerifier = ReturnType<typeof createIndexVerifier>;

async function activeIndex(
  { collections }: IndexVerifierDeps,
  { id, activeVersion }: Collection,
): Promise<VectorIndex> {
  const versions = await collections.versions(id);
  const active = versions.find((version) => version.id === activeVersion);
  return { id: activeVersion, dimensions: active?.dimensions ?? null };
}

/** So that the caller finds them gone; what is left the sweep takes. */
async function sweep({ store, leftovers }: IndexVerifierDeps): Promise<void> {
  for (let batches = 0; batches < SWEPT_BATCHES_MAX; batches += 1) {
    const taken = await leftovers.takePoints(PAGE);
    if (!taken) return;
    await store.remove(taken.index, taken.pointIds);
    await leftovers.pointsRemoved(taken.index.id, taken.pointIds);
  }
}

/** The index's ids after one and up to another; null: from its beginning, or to its end. */
async function idsBetween(
  store: VectorStore,
  index: VectorIndex,
  { after, until }: { after: string | null; until: string | null },
): Promise<Set<string>> {
  const found = new Set<string>();
  for (let from = after; ; ) {
    const page = await store.ids(index, from, PAGE);
    for (const id of page) if (until === null || id <= until) found.add(id);
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE || (until !== null && last >= until)) return found;
    from = last;
  }
}

interface Repair {
  index: VectorIndex;
  collection: Collection;
  ids: readonly string[];
}

async function repair(deps: IndexVerifierDeps, { index, collection, ids }: Repair, signal: AbortSignal) {
  let repaired = 0;
  for (let start = 0; start < ids.length; start += REPAIRED_AT_ONCE) {
    const lost = await deps.rows.lost(index.id, ids.slice(start, start + REPAIRED_AT_ONCE));
    if (lost.length === 0) continue;
    const points = await toPoints(deps, { lost, collection }, signal);
    await keep(deps, { index, ids: points.map(({ id }) => id) }, signal);
    const [first] = points;
    const dimensions = index.dimensions ?? first?.vector?.length ?? null;
    await deps.store.ensure({ ...index, dimensions });
    await deps.store.upsert({ ...index, dimensions }, points);
    repaired += points.length;
  }
  return repaired;
}

async function toPoints(
  { batcher, store }: IndexVerifierDeps,
  { lost, collection }: { lost: readonly LostPoint[]; collection: Collection },
  signal: AbortSignal,
): Promise<Point[]> {
  const model = store.hasVectors ? collection.embeddingModel : null;
  const [first] = lost;
  const vectors = new Map<string, Float32Array>();
  if (model !== null && first) {
    const texts = new Map(
      lost.map(({ textHash, title, headingPath, text }) => [
        textHash,
        embeddedText(title, headingPath, text),
      ]),
    );
    const payer = { keyName: first.owner === '' ? null : first.owner, weight: first.weight };
    const embedded = await batcher.embed({ model, texts, ...payer }, signal);
    for (const [hash, vector] of embedded.vectors) vectors.set(hash, vector);
  }
  return lost.flatMap(({ pointId, documentId, title, headingPath, text, textHash }) => {
    const vector = vectors.get(textHash) ?? null;
    // A half of a point would pass for whole.
    if (model !== null && vector === null) return [];
    return [{ id: pointId, documentId, terms: countTerms([title, ...headingPath, text]), vector }];
  });
}

async function keep(
  { work }: IndexVerifierDeps,
  { index, ids }: { index: VectorIndex; ids: readonly string[] },
  signal: AbortSignal,
): Promise<void> {
  for (let polls = 0; polls < SWEEP_POLLS; polls++) {
    if (await work.keepPoints(index.id, ids)) return;
    await pause(SWEEP_POLL_MS, undefined, { signal });
  }
  throw new AppError('store_unavailable', 'The index is being swept. Try again shortly.', {
    retryAfterSeconds: 5,
  });
}
