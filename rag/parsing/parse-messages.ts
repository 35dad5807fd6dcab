import type { ChunkSettings } from '../chunk.ts';
import type { DocumentPart, ReadPosition } from '../document-reader.ts';
import type { ReasonCode } from '../reason-codes.ts';
import type { DocumentBytes, ParseLimits } from './open-document.ts';

/** What a thread is asked for: each is answered once. */
export type ToParser =
  | { kind: 'open'; source: DocumentBytes; reading: Reading }
  /** The next part. */
  | { kind: 'next' };

export interface Reading {
  chunk: ChunkSettings;
  position: ReadPosition | null;
  limits: ParseLimits;
}

export type FromParser =
  | { kind: 'part'; part: DocumentPart }
  /** There are no more, and the document is closed. */
  | { kind: 'end' }
  | { kind: 'refused'; reasonCode: ReasonCode; message: string };
