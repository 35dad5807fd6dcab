import { Readable } from 'node:stream';
import { failPoint } from '../core/fail-point.ts';
import type { BlobStore } from './blob-store.ts';
import type { Chunk } from './chunk.ts';
import type { DocumentReader, ReadPosition } from './document-reader.ts';
import { DocumentRefused } from './document-refused.ts';
import { asRefusal, IngestRefusal } from './ingest-wait.ts';
import { type Claim, type CutPages, type IngestWork, keyOf, type NewChunk } from './ingest-work.ts';
import { embeddedText, hashText, pointId } from './point-id.ts';

export interface ParseDeps {
  work: Pick<IngestWork, 'bodies' | 'soFar' | 'writeChunks'>;
  blobs: Pick<BlobStore, 'read'>;
  reader: DocumentReader;
}

/** What came of a group: the claims that still hold, with their chunks in the rows, and those that must fail. */
export interface Parsed {
  done: Claim[];
  refused: { claim: Claim; refusal: IngestRefusal }[];
}

const CHUNKS_PER_COMMIT = 256;
const PAGES_PER_COMMIT = 20;

/** Reads and cuts documents; a small one is kept until its group is written in one go, a large one as it comes. */
export async function parseStage(
  deps: ParseDeps,
  claims: readonly Claim[],
  signal: AbortSignal,
): Promise<Parsed> {
  const bodies = await deps.work.bodies(claims);
  const last: CutPages[] = [];
  const parsed: Parsed = { done: [], refused: [] };
  for (const claim of claims) {
    signal.throwIfAborted();
    try {
      const rest = await cutDocument(deps, { claim, body: bodies.get(keyOf(claim)) ?? null }, signal);
      if (rest) last.push(rest);
    } catch (error) {
      const refusal = asRefusal(error);
      if (!refusal) throw error;
      parsed.refused.push({ claim, refusal });
    }
  }
  if (last.length === 0) return parsed;
  failPoint('ingest.parsed');
  const held = new Set((await deps.work.writeChunks(last)).map(keyOf));
  failPoint('ingest.chunked');
  parsed.done = last.flatMap(({ claim }) => (held.has(keyOf(claim)) ? [claim as Claim] : []));
  return parsed;
}

/** What is left to be written once all is cut; null where the claim was lost meanwhile. */
async function cutDocument(
  deps: ParseDeps,
  { claim, body }: { claim: Claim; body: Uint8Array | null },
  signal: AbortSignal,
): Promise<CutPages | null> {
  const soFar = await whatIsThere(deps.work, claim);
  const identify = createIdentifier(claim, soFar.occurrences);
  let cut = nothingOf(claim);
  let written = claim.chunkCount;
  let writtenPages = claim.pagesDone;
  const source = {
    bytes: await openBytes(deps, claim, body),
    fileName: claim.fileName,
    mediaType: claim.mediaType,
    chunk: claim.chunk,
    position: soFar.position,
  };
  for await (const { facts, chunks, position } of deps.reader.read(source, signal)) {
    // Of a page that was half done, some are there already.
    const fresh = chunks.filter(({ ordinal }) => ordinal >= claim.chunkCount).map(identify);
    cut = {
      ...cut,
      pagesTotal: facts.pagesTotal,
      foundTitle: facts.title,
      chunks: [...cut.chunks, ...fresh],
    };
    if (position) cut = { ...cut, pagesDone: position.pagesDone, pageChunks: position.chunks };
    if (cut.chunks.length < CHUNKS_PER_COMMIT && cut.pagesDone - writtenPages < PAGES_PER_COMMIT) continue;
    written += cut.chunks.length;
    writtenPages = cut.pagesDone;
    if (!(await commit(deps.work, cut))) return null;
    cut = { ...cut, chunks: [] };
  }
  if (written + cut.chunks.length === 0) throw new DocumentRefused('no_extractable_text');
  return { ...cut, stage: 'embed' };
}

async function commit(work: ParseDeps['work'], cut: CutPages): Promise<boolean> {
  failPoint('ingest.parsed');
  const held = await work.writeChunks([cut]);
  failPoint('ingest.chunked');
  return held.length > 0;
}

const nothingOf = (claim: Claim): CutPages => ({
  claim,
  stage: 'parse',
  versionId: claim.versionId,
  pagesDone: claim.pagesDone,
  pagesTotal: null,
  foundTitle: null,
  pageChunks: claim.pageChunks,
  chunks: [],
});

async function openBytes(
  { blobs }: ParseDeps,
  { blobSha256 }: Claim,
  body: Uint8Array | null,
): Promise<Readable> {
  const bytes = body ? Readable.from([body]) : await blobs.read(blobSha256);
  if (bytes) return bytes;
  throw new IngestRefusal(
    'bytes_lost',
    'What was sent of the document is not there any more. Send it again.',
  );
}

/** Where an earlier claim of it came to. */
async function whatIsThere(
  work: ParseDeps['work'],
  claim: Claim,
): Promise<{ position: ReadPosition | null; occurrences: Map<string, number> }> {
  if (claim.chunkCount === 0 && claim.pagesDone === 0) return { position: null, occurrences: new Map() };
  const { charEnd, occurrences } = await work.soFar(claim);
  return { position: { pagesDone: claim.pagesDone, chunks: claim.pageChunks, charEnd }, occurrences };
}

/** Gives chunks the ids of their points, the equal ones among them told apart by their order. */
function createIdentifier(claim: Claim, occurrences: Map<string, number>): (chunk: Chunk) => NewChunk {
  return (chunk) => {
    const textHash = hashText(embeddedText(claim.title, chunk.headingPath, chunk.text));
    const occurrence = occurrences.get(textHash) ?? 0;
    occurrences.set(textHash, occurrence + 1);
    return {
      ...chunk,
      textHash,
      pointId: pointId(claim.versionId, claim.documentId, textHash, occurrence),
    };
  };
}
