import { Readable } from 'node:stream';
import { afterAll } from '@jest/globals';
import type { DocumentPart, ReadPosition } from '../../../rag/document-reader.ts';
import { createParsePool, type ParsePool, type ParsePoolOptions } from '../../../rag/parsing/parse-pool.ts';

interface Reading {
  fileName?: string;
  mediaType?: string;
  position?: ReadPosition;
  signal?: AbortSignal;
  tokens?: number;
}

const pools: ParsePool[] = [];
afterAll(async () => {
  for (const pool of pools) await pool.close();
});

/** A pool of one thread that ends with the tests, and what its documents are read as. */
export function setup(options: ParsePoolOptions = {}) {
  const pool = createParsePool(options);
  pools.push(pool);
  return {
    pool,
    parts: (bytes: Buffer | string, reading: Reading = {}) => partsOf(pool, bytes, reading),
    /** The text of its chunks, which are long enough to take a short document whole. */
    async text(bytes: Buffer | string, reading: Reading = {}) {
      const parts = await partsOf(pool, bytes, reading);
      return parts.flatMap(({ chunks }) => chunks.map(({ text }) => text)).join('\n\n');
    },
  };
}

async function partsOf(pool: ParsePool, bytes: Buffer | string, reading: Reading): Promise<DocumentPart[]> {
  const source = {
    bytes: Readable.from([Buffer.from(bytes)]),
    fileName: reading.fileName ?? null,
    mediaType: reading.mediaType ?? null,
    chunk: { tokens: reading.tokens ?? 400, overlap: 0 },
    position: reading.position ?? null,
  };
  const found: DocumentPart[] = [];
  const signal = reading.signal ?? new AbortController().signal;
  for await (const part of pool.read(source, signal)) found.push(part);
  return found;
}
