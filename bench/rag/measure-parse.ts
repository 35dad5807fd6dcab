import { Readable } from 'node:stream';
import { createParsePool } from '../../rag/parsing/parse-pool.ts';
import { shortDocument } from './corpus.ts';
import { CHUNK } from './plan.ts';

export interface ParseRate {
  documentsPerSecond: number;
  chunksPerSecond: number;
}

/** The document reader by itself, in its thread as in a Citadel. */
export async function measureParse(documents: number, signal: AbortSignal): Promise<ParseRate> {
  const pool = createParsePool();
  const texts = Array.from({ length: documents }, (_, at) => Buffer.from(shortDocument(at).text));

  async function read(bytes: Buffer): Promise<number> {
    const source = { bytes: Readable.from([bytes]), fileName: null, mediaType: 'text/plain' };
    let count = 0;
    for await (const { chunks } of pool.read({ ...source, chunk: CHUNK, position: null }, signal)) {
      count += chunks.length;
    }
    return count;
  }

  try {
    // The thread starts with its first document.
    await read(Buffer.from('Warm.'));
    const startedMs = performance.now();
    let chunks = 0;
    for (const text of texts) chunks += await read(text);
    const seconds = (performance.now() - startedMs) / 1_000;
    return { documentsPerSecond: documents / seconds, chunksPerSecond: chunks / seconds };
  } finally {
    await pool.close();
  }
}
