import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { z } from 'zod';
import { AppError } from '../core/errors.ts';
import type { SqlPool } from '../core/sql-pool.ts';
import type { BlobStore } from '../rag/blob-store.ts';
import { readBlob } from './blob-bytes.ts';
import { reachable } from './run-values.ts';

const PART_BYTES = 262_144;
const CLEANING_INTERVAL_MS = 3_600_000;

const BlobRow = z.object({ upload: z.string(), bytes: z.coerce.number() });
const PartRow = z.object({ content: z.instanceof(Uint8Array) });

const ADD_PART = 'INSERT INTO citadel.blob_part (upload, ordinal, content) VALUES ($1, $2, $3)';

// One that was there keeps its parts, and is as new.
const PUBLISH = `
  WITH published AS (
    INSERT INTO citadel.blob (sha256, upload, bytes) VALUES ($1, $2, $3)
    ON CONFLICT (sha256) DO UPDATE SET written_at = now()
    RETURNING upload
  )
  DELETE FROM citadel.blob_part WHERE upload = $2 AND NOT EXISTS (SELECT 1 FROM published WHERE upload = $2)`;

const DROP_UPLOAD = 'DELETE FROM citadel.blob_part WHERE upload = $1';

const REMOVE = `
  WITH removed AS (DELETE FROM citadel.blob WHERE sha256 = $1 RETURNING upload)
  DELETE FROM citadel.blob_part USING removed WHERE blob_part.upload = removed.upload`;

// What processes left that died while they wrote.
const CLEAN = `
  DELETE FROM citadel.blob_part WHERE written_at < now() - interval '1 day'
    AND NOT EXISTS (SELECT 1 FROM citadel.blob WHERE blob.upload = blob_part.upload)`;

const OLDER = `
  SELECT sha256 FROM citadel.blob
  WHERE written_at < now() - $1::double precision * interval '1 ms' AND ($2::text IS NULL OR sha256 > $2)
  ORDER BY sha256 LIMIT $3`;

/** Blobs in Postgres, a server or PGlite, in parts of 256 KiB. */
export function createPostgresBlobStore(database: SqlPool): BlobStore {
  const pool = reachable(database);
  let cleanedMs = Number.NEGATIVE_INFINITY;

  async function clean(): Promise<void> {
    if (performance.now() - cleanedMs < CLEANING_INTERVAL_MS) return;
    cleanedMs = performance.now();
    await pool.query(CLEAN);
  }

  return {
    async write(stream, maxBytes) {
      await clean();
      const upload = randomUUID();
      let ordinal = 0;
      const writer = inParts((part) => pool.query(ADD_PART, [upload, ordinal++, part]));
      try {
        const blob = await readBlob(stream, maxBytes, writer.take);
        await writer.end();
        await pool.query(PUBLISH, [blob.sha256, upload, blob.bytes]);
        return blob;
      } catch (error) {
        // Else they are cleaned away later.
        if (ordinal > 0) await pool.query(DROP_UPLOAD, [upload]).catch(() => {});
        throw error;
      } finally {
        stream.destroy();
      }
    },
    async read(sha256) {
      const { rows } = await pool.query('SELECT upload, bytes FROM citadel.blob WHERE sha256 = $1', [sha256]);
      return rows[0] ? Readable.from(partsOf(BlobRow.parse(rows[0])), { objectMode: false }) : null;
    },
    async remove(sha256) {
      await pool.query(REMOVE, [sha256]);
    },
    async olderThan(ageMs, after, limit) {
      const { rows } = await pool.query<{ sha256: string }>(OLDER, [ageMs, after, limit]);
      return rows.map((row) => row.sha256);
    },
  };

  async function* partsOf({ upload, bytes }: z.infer<typeof BlobRow>) {
    const count = Math.ceil(bytes / PART_BYTES);
    for (let ordinal = 0; ordinal < count; ordinal++) {
      const { rows } = await pool.query(
        'SELECT content FROM citadel.blob_part WHERE upload = $1 AND ordinal = $2',
        [upload, ordinal],
      );
      if (!rows[0]) throw new AppError('store_unavailable', 'The file was removed while it was read.');
      yield PartRow.parse(rows[0]).content;
    }
  }
}

/** Gathers what comes in pieces of any size. */
function inParts(write: (part: Buffer) => Promise<unknown>) {
  let pieces: Buffer[] = [];
  let bytes = 0;
  return {
    async take(piece: Buffer): Promise<void> {
      pieces.push(piece);
      bytes += piece.length;
      if (bytes < PART_BYTES) return;
      const all = Buffer.concat(pieces);
      let at = 0;
      for (; all.length - at >= PART_BYTES; at += PART_BYTES) await write(all.subarray(at, at + PART_BYTES));
      pieces = at < all.length ? [all.subarray(at)] : [];
      bytes = all.length - at;
    },
    async end(): Promise<void> {
      if (bytes > 0) await write(Buffer.concat(pieces));
    },
  };
}
