import type { ChunkSettings } from '../../../rag/chunk.ts';
import { createChunker } from '../../../rag/chunking/chunker.ts';
import type { ParsedBlock } from '../../../rag/parsed-document.ts';
import { markdownBlocks } from '../../../rag/parsing/markdown-blocks.ts';

const DEFAULTS: ChunkSettings = { tokens: 400, overlap: 60 };

/** The chunks of a text without pages. */
export function chunked(
  text: string,
  settings: Partial<ChunkSettings> = {},
  blocksOf: (text: string) => ParsedBlock[] = markdownBlocks,
) {
  const page = { page: null, start: 0, text, blocks: blocksOf(text) };
  return [...createChunker({ ...DEFAULTS, ...settings }).chunksOf(page)];
}
