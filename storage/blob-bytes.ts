import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { AppError } from '../core/errors.ts';
import type { Blob } from '../rag/blob-store.ts';

/**
 * Gives `take` the stream's bytes in parts as they come, and says what they were. Throws `payload_too_large` beyond
 * `maxBytes`, what the stream throws, and what `take` throws; the stream is destroyed then.
 */
export async function readBlob(
  stream: Readable,
  maxBytes: number,
  take: (part: Buffer) => Promise<unknown>,
): Promise<Blob> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const part of stream) {
    const buffer = Buffer.isBuffer(part) ? part : Buffer.from(part);
    bytes += buffer.length;
    if (bytes > maxBytes) {
      throw new AppError('payload_too_large', `A file may have at most ${maxBytes} bytes.`);
    }
    hash.update(buffer);
    await take(buffer);
  }
  return { sha256: hash.digest('hex'), bytes };
}
