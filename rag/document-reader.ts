import type { Readable } from 'node:stream';
import type { Chunk, ChunkSettings } from './chunk.ts';

/** Makes chunks of documents' bytes, off the main thread and within limits. */
export interface DocumentReader {
  /**
   * The document's chunks in order, read on as they are taken. The same bytes and settings give the same chunks. Throws
   * DocumentRefused, and `signal.reason` when it aborts.
   */
  read(document: SourceDocument, signal: AbortSignal): AsyncIterable<DocumentPart>;
}

export interface SourceDocument {
  bytes: Readable;
  /** They help to tell the format where its content does not. */
  fileName: string | null;
  mediaType: string | null;
  chunk: ChunkSettings;
  /** Where an earlier read came to; null to begin at the beginning. */
  position: ReadPosition | null;
}

/** How much of a document has been read. It follows from the pages that are done and the chunks that they gave. */
export interface ReadPosition {
  /** Of a document without pages: 0 until all of it is done. */
  pagesDone: number;
  /** Chunks that they gave. */
  chunks: number;
  /** `charEnd` of the last of these, or 0. */
  charEnd: number;
}

/** Some of a document's chunks: a page's, or a batch of those of a document without pages. */
export interface DocumentPart {
  facts: DocumentFacts;
  chunks: Chunk[];
  /** A read may be resumed from here. Null in the middle of a page. */
  position: ReadPosition | null;
}

export interface DocumentFacts {
  format: string;
  title: string | null;
  /** Null where the format has no pages. */
  pagesTotal: number | null;
}
