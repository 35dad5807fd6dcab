import type { Chunk } from '../chunk.ts';
import { createChunker } from '../chunking/chunker.ts';
import type { DocumentPart, ReadPosition } from '../document-reader.ts';
import { DocumentRefused } from '../document-refused.ts';
import { type DocumentBytes, openDocument } from './open-document.ts';
import type { Reading } from './parse-messages.ts';

const PART_CHUNKS = 256;

/** The document's chunks, part by part. Throws DocumentRefused, also where there is no text in all of it. */
export async function* documentParts(source: DocumentBytes, reading: Reading): AsyncIterable<DocumentPart> {
  const document = await openDocument(source, reading.limits);
  const { facts } = document;
  let { pagesDone, chunks: count, charEnd } = reading.position ?? START;
  const chunker = createChunker(reading.chunk, count);
  try {
    for await (const page of document.pages(reading.position)) {
      let chunks: Chunk[] = [];
      for (const chunk of chunker.chunksOf(page)) {
        if (chunks.length === PART_CHUNKS) {
          yield { facts, chunks, position: null };
          chunks = [];
        }
        chunks.push(chunk);
        count++;
        charEnd = chunk.charEnd;
      }
      pagesDone = page.page ?? 1;
      yield { facts, chunks, position: { pagesDone, chunks: count, charEnd } };
    }
  } finally {
    await document.close();
  }
  if (count === 0) throw new DocumentRefused('no_extractable_text');
}

const START: ReadPosition = { pagesDone: 0, chunks: 0, charEnd: 0 };
