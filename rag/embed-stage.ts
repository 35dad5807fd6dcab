import type { EmbeddingBatcher } from './embedding-batcher.ts';
import { IngestRefusal } from './ingest-wait.ts';
import { type Claim, type IngestWork, keyOf, type WorkChunk } from './ingest-work.ts';
import { embeddedText } from './point-id.ts';

export interface EmbedDeps {
  work: Pick<IngestWork, 'chunksIn' | 'moveChunks' | 'setDimensions'>;
  batcher: Pick<EmbeddingBatcher, 'embed'>;
}

interface Embedded {
  done: Claim[];
  refused: { claim: Claim; refusal: IngestRefusal }[];
}

const CHUNKS_AT_ONCE = 256;

/** Gets a vector for each chunk of the claims, all of one index, that has none. Throws IngestWait. */
export async function embedStage(
  deps: EmbedDeps,
  { model, claims }: { model: string; claims: readonly Claim[] },
  signal: AbortSignal,
): Promise<Embedded> {
  let going = [...claims];
  const refused: Embedded['refused'] = [];
  while (going.length > 0) {
    signal.throwIfAborted();
    const chunks = await deps.work.chunksIn('pending', going, CHUNKS_AT_ONCE);
    if (chunks.length === 0) break;
    const bad = await embedChunks(deps, { model, claims: going, chunks }, signal);
    refused.push(...bad);
    const isBad = new Set(bad.map(({ claim }) => keyOf(claim)));
    const good = going.filter((claim) => !isBad.has(keyOf(claim)));
    const moved = chunks.filter((chunk) => !isBad.has(keyOf(chunk)));
    const held = new Set((await deps.work.moveChunks('embedded', good, moved)).map(keyOf));
    going = good.filter((claim) => held.has(keyOf(claim)));
  }
  return { done: going, refused };
}

async function embedChunks(
  { work, batcher }: EmbedDeps,
  { model, claims, chunks }: { model: string; claims: readonly Claim[]; chunks: readonly WorkChunk[] },
  signal: AbortSignal,
): Promise<Embedded['refused']> {
  const byKey = new Map(claims.map((claim) => [keyOf(claim), claim]));
  const [first] = claims;
  if (!first) return [];
  const texts = new Map<string, string>();
  for (const chunk of chunks) {
    const title = byKey.get(keyOf(chunk))?.title ?? null;
    texts.set(chunk.textHash, embeddedText(title, chunk.headingPath, chunk.text));
  }
  const payer = { keyName: first.owner === '' ? null : first.owner, weight: first.weight };
  const { vectors, rejected } = await batcher.embed({ model, ...payer, texts }, signal);
  const wrongLength = await checkLengths(work, first.versionId, vectors);
  const refusals = new Map<string, IngestRefusal>();
  for (const chunk of chunks) {
    const reason = rejected.get(chunk.textHash) ?? null;
    const length = wrongLength.get(chunk.textHash);
    if (reason !== null) refusals.set(keyOf(chunk), rejection(chunk, reason));
    else if (length !== undefined) refusals.set(keyOf(chunk), misfit(chunk, length));
  }
  return Array.from(refusals, ([key, refusal]) => {
    const claim = byKey.get(key);
    return claim ? [{ claim, refusal }] : [];
  }).flat();
}

/** Vectors that do not fit their index, by their text's hash, with what would fit. The first of an index says that. */
async function checkLengths(
  work: EmbedDeps['work'],
  versionId: string,
  vectors: ReadonlyMap<string, Float32Array>,
): Promise<Map<string, { is: number; fits: number }>> {
  const [first] = vectors.values();
  if (!first) return new Map();
  const fits = await work.setDimensions(versionId, first.length);
  return new Map(
    [...vectors]
      .filter(([, { length }]) => length !== fits)
      .map(([hash, { length }]) => [hash, { is: length, fits }]),
  );
}

const rejection = ({ ordinal }: WorkChunk, reason: string) =>
  new IngestRefusal('embedding_rejected', `The embedding model does not take chunk ${ordinal}: ${reason}`);

const misfit = ({ ordinal }: WorkChunk, { is, fits }: { is: number; fits: number }) =>
  new IngestRefusal(
    'embedding_dimensions',
    `The embedding model gave chunk ${ordinal} a vector of ${is} numbers; this index has ${fits}.`,
  );
