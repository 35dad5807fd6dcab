import type { Readable } from 'node:stream';

export interface Blob {
  /** Of its bytes, in lower-case hex: its name. */
  sha256: string;
  bytes: number;
}

/**
 * Bytes that came from outside, kept until no document needs them: on disk where one process has all, else in the
 * database, so that each process can read them. Throws AppError `store_unavailable`, also for a full disk.
 */
export interface BlobStore {
  /**
   * Keeps what the stream gives. Throws `payload_too_large` beyond `maxBytes`, and what the stream throws; it leaves nothing
   * behind then.
   */
  write(stream: Readable, maxBytes: number): Promise<Blob>;
  /** Null where there is none of that name. */
  read(sha256: string): Promise<Readable | null>;
  remove(sha256: string): Promise<void>;
  /**
   * Names of those that were last written more than `ageMs` ago, in order, from the first after `after`. One that no row
   * names may go then: a request that failed halfway has left it.
   */
  olderThan(ageMs: number, after: string | null, limit: number): Promise<string[]>;
}
