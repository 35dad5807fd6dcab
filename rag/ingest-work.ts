import type { Chunk, ChunkSettings } from './chunk.ts';
import type { Stage, WaitingOn } from './ingest-job.ts';

/** A content of a document that this process works at. */
export interface Claim {
  documentId: string;
  generation: number;
  /** The fence: a write counts only while it is the newest. */
  epoch: number;
  /** Claims since it last came on, this one too. */
  attempt: number;
  collectionId: string;
  versionId: string;
  /** Whether its collection was searched by that version when it was claimed. */
  isActive: boolean;
  embeddingModel: string | null;
  dimensions: number | null;
  chunk: ChunkSettings;
  stage: Stage;
  blobSha256: string;
  /** Whether its bytes are in the row. */
  hasBody: boolean;
  fileName: string | null;
  title: string | null;
  mediaType: string | null;
  owner: string;
  weight: number;
  pagesDone: number;
  chunkCount: number;
  /** Of the pages that are done. */
  pageChunks: number;
}

export type ClaimKey = Pick<Claim, 'documentId' | 'generation' | 'epoch'>;

export interface NewChunk extends Chunk {
  pointId: string;
  textHash: string;
}

/** What came of a document's next pages. */
export interface CutPages {
  claim: ClaimKey;
  /** Where it goes on: `parse` while there are pages left. */
  stage: Stage;
  versionId: string;
  pagesDone: number;
  pagesTotal: number | null;
  foundTitle: string | null;
  pageChunks: number;
  chunks: readonly NewChunk[];
}

/** A chunk on its way into the index. */
export interface WorkChunk {
  documentId: string;
  generation: number;
  ordinal: number;
  pointId: string;
  textHash: string;
  text: string;
  headingPath: string[];
}

interface Wait {
  /** Null: for nothing but its turn. */
  on: WaitingOn | null;
  /** What it would need, for its owner. */
  reason: string | null;
  afterMs: number;
  /** Whether something went wrong that must not go wrong for ever. */
  countsAsAttempt: boolean;
}

export interface Failure {
  claim: ClaimKey;
  reasonCode: string;
  error: string;
}

/** The rows that ingest works on. Each write is fenced: it gives the claims that still held, and does nothing for others. */
export interface IngestWork {
  /** Documents whose turn it is: several small ones, or one. Their lease runs by the database's clock. */
  claim(worker: string, max: number): Promise<Claim[]>;
  /** Extends leases. */
  heartbeat(claims: readonly ClaimKey[]): Promise<ClaimKey[]>;
  /** Gives them back, to be claimed again after a while. */
  release(claims: readonly ClaimKey[], wait: Wait): Promise<void>;
  /** For a store of one process that has just started: leases of the one before are over. */
  lapseAll(): Promise<void>;

  bodies(claims: readonly ClaimKey[]): Promise<Map<string, Uint8Array>>;
  /** How often each text hash stands in the chunks made so far, and where the last page that is done ends. */
  soFar(claim: Claim): Promise<{ occurrences: Map<string, number>; charEnd: number }>;
  writeChunks(pages: readonly CutPages[]): Promise<ClaimKey[]>;
  /** Up to `max` chunks of the claims that are in this state, in order. */
  chunksIn(state: 'pending' | 'embedded', claims: readonly ClaimKey[], max: number): Promise<WorkChunk[]>;
  /** Moves chunks on; the claims that still held. */
  moveChunks(
    state: 'pending' | 'embedded' | 'indexed',
    claims: readonly ClaimKey[],
    chunks: readonly Pick<WorkChunk, 'documentId' | 'generation' | 'ordinal'>[],
  ): Promise<ClaimKey[]>;
  moveOn(stage: Stage, claims: readonly ClaimKey[]): Promise<ClaimKey[]>;
  /** Sets it once; gives what it is. */
  setDimensions(versionId: string, dimensions: number): Promise<number>;
  /** Takes points off the list of those to delete; false where a sweep is at one of them now. */
  keepPoints(versionId: string, pointIds: readonly string[]): Promise<boolean>;

  /** Makes them what is searched, one transaction for all; what they replace is no more. */
  publish(claims: readonly ClaimKey[]): Promise<void>;
  fail(failures: readonly Failure[]): Promise<void>;
}

/** `document/generation`: what a claim is of. */
export const keyOf = ({ documentId, generation }: Pick<Claim, 'documentId' | 'generation'>): string =>
  `${documentId}/${generation}`;
