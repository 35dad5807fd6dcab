import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises';
import { failPoint } from '../core/fail-point.ts';
import type { EmbedCache } from './embed-cache.ts';
import { IngestWait } from './ingest-wait.ts';
import { type Claim, type IngestWork, keyOf, type WorkChunk } from './ingest-work.ts';
import { countTerms } from './text-terms.ts';
import type { Point, VectorIndex, VectorStore } from './vector-store.ts';

export interface IndexDeps {
  work: Pick<IngestWork, 'chunksIn' | 'moveChunks' | 'setDimensions' | 'keepPoints'>;
  cache: Pick<EmbedCache, 'read'>;
  vectors: VectorStore;
}

const POINTS_AT_ONCE = 128;
/** Counting a chunk's words takes half a millisecond, in which this thread does nothing else. */
const POINTS_A_TURN = 8;
const SWEEP_POLLS = 50;
const SWEEP_POLL_MS = 100;

/**
 * Writes the points of the claims, all of one index, that are not in it. Gives the claims that still hold; `isComplete` is
 * false where a vector has gone from the cache, and must be paid for again. Throws IngestWait.
 */
export async function indexStage(
  deps: IndexDeps,
  { model, claims }: { model: string | null; claims: readonly Claim[] },
  signal: AbortSignal,
): Promise<{ done: Claim[]; isComplete: boolean }> {
  let going = [...claims];
  let isComplete = true;
  while (going.length > 0) {
    signal.throwIfAborted();
    const chunks = await deps.work.chunksIn(model === null ? 'pending' : 'embedded', going, POINTS_AT_ONCE);
    if (chunks.length === 0) break;
    const { ready, missing } = await withVectors(deps, model, chunks);
    if (ready.length > 0) await write(deps, { claims: going, chunks: ready }, signal);
    failPoint('ingest.indexed');
    const held = new Set(
      (
        await deps.work.moveChunks(
          'indexed',
          going,
          ready.map(({ chunk }) => chunk),
        )
      ).map(keyOf),
    );
    if (missing.length > 0) await deps.work.moveChunks('pending', going, missing);
    isComplete &&= missing.length === 0;
    going = going.filter((claim) => held.has(keyOf(claim)));
  }
  return { done: going, isComplete };
}

interface ReadyChunk {
  chunk: WorkChunk;
  vector: Float32Array | null;
}

async function withVectors(
  { cache }: IndexDeps,
  model: string | null,
  chunks: readonly WorkChunk[],
): Promise<{ ready: ReadyChunk[]; missing: WorkChunk[] }> {
  if (model === null) return { ready: chunks.map((chunk) => ({ chunk, vector: null })), missing: [] };
  const found = await cache.read(model, [...new Set(chunks.map(({ textHash }) => textHash))]);
  const ready: ReadyChunk[] = [];
  const missing: WorkChunk[] = [];
  for (const chunk of chunks) {
    const vector = found.get(chunk.textHash);
    if (vector) ready.push({ chunk, vector });
    else missing.push(chunk);
  }
  return { ready, missing };
}

async function write(
  { work, vectors }: IndexDeps,
  { claims, chunks }: { claims: readonly Claim[]; chunks: readonly ReadyChunk[] },
  signal: AbortSignal,
): Promise<void> {
  const byKey = new Map(claims.map((claim) => [keyOf(claim), claim]));
  const versionId = claims[0]?.versionId ?? '';
  const points: Point[] = [];
  for (const { chunk, vector } of chunks) {
    points.push(toPoint(chunk, vector, byKey.get(keyOf(chunk))?.title ?? null));
    if (points.length % POINTS_A_TURN === 0) await nextTurn();
  }
  const length = chunks[0]?.vector?.length;
  const dimensions = length === undefined ? null : await work.setDimensions(versionId, length);
  await keep(work, { versionId, points }, signal);
  const index: VectorIndex = { id: versionId, dimensions };
  try {
    await vectors.ensure(index);
    await vectors.upsert(index, points);
  } catch (error) {
    throw new IngestWait('index_down', 2_000, error);
  }
}

/** Takes the points off the list of those to delete, once no sweep is at them. */
async function keep(
  work: IndexDeps['work'],
  { versionId, points }: { versionId: string; points: readonly Point[] },
  signal: AbortSignal,
): Promise<void> {
  const ids = points.map(({ id }) => id);
  for (let polls = 0; polls < SWEEP_POLLS; polls++) {
    if (await work.keepPoints(versionId, ids)) return;
    await pause(SWEEP_POLL_MS, undefined, { signal });
  }
  throw new IngestWait('index_down', 2_000);
}

function toPoint(chunk: WorkChunk, vector: Float32Array | null, title: string | null): Point {
  const { pointId: id, documentId, headingPath, text } = chunk;
  return { id, documentId, terms: countTerms([title, ...headingPath, text]), vector };
}
