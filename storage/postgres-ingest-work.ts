import { z } from 'zod';
import type { SqlPool } from '../core/sql-pool.ts';
import type { Claim, ClaimKey, IngestWork, NewChunk, WorkChunk } from '../rag/ingest-work.ts';
import { STAGE_NAMES } from './rag-columns.ts';
import { toKeyRows } from './rag-endings.ts';
import { failClaims, publishClaims } from './rag-publish.ts';
import {
  BODIES,
  CHAR_END,
  CHUNKS_IN,
  CLAIM,
  CLAIMED_POINTS,
  HEARTBEAT,
  KEEP_POINTS,
  LAPSE_ALL,
  MOVE_CHUNKS,
  MOVE_ON,
  OCCURRENCES,
  RELEASE,
  SET_DIMENSIONS,
  WRITE_CHUNKS,
} from './rag-work-sql.ts';
import { withoutDeadlock } from './run-commit.ts';
import { plainText, reachable } from './run-values.ts';

const Whole = z.coerce.number();

const ClaimRow = z.object({
  document_id: z.string(),
  generation: Whole,
  epoch: z.number(),
  attempt: z.number(),
  collection_id: z.string(),
  version_id: z.string(),
  is_active: z.boolean(),
  embedding_model: z.string().nullable(),
  dimensions: z.number().nullable(),
  chunk_tokens: z.number(),
  chunk_overlap: z.number(),
  stage: z.enum(STAGE_NAMES),
  blob_sha256: z.string(),
  has_body: z.boolean(),
  file_name: z.string().nullable(),
  title: z.string().nullable(),
  media_type: z.string().nullable(),
  owner: z.string(),
  weight: z.number(),
  pages_done: z.number(),
  chunk_count: z.number(),
  page_chunks: z.number(),
});

interface KeyRow {
  document_id: string;
  generation: string;
  epoch: number;
}

/** The rows that ingest works on, in Postgres, a server or PGlite. */
export function createPostgresIngestWork(database: SqlPool): IngestWork {
  const pool = reachable(database);

  async function fenced(sql: string, claims: readonly ClaimKey[], ...params: unknown[]): Promise<ClaimKey[]> {
    if (claims.length === 0) return [];
    const { rows } = await withoutDeadlock(() => pool.query<KeyRow>(sql, [toKeyRows(claims), ...params]));
    return rows.map(toKey);
  }

  return {
    async claim(worker, max) {
      const { rows } = await pool.query(CLAIM, [worker, max]);
      return rows.map(toClaim);
    },
    heartbeat: (claims) => fenced(HEARTBEAT, claims),
    async release(claims, wait) {
      const reason = wait.reason === null ? null : plainText(wait.reason);
      await fenced(RELEASE, claims, wait.on, wait.afterMs, wait.countsAsAttempt, reason);
    },
    async lapseAll() {
      await pool.query(LAPSE_ALL);
    },

    async bodies(claims) {
      const { rows } = await pool.query<KeyRow & { body: string }>(BODIES, [toKeyRows(claims)]);
      return new Map(
        rows.map((row) => [`${row.document_id}/${row.generation}`, Buffer.from(row.body, 'base64')]),
      );
    },
    async soFar({ documentId, generation, pageChunks }) {
      const key = [documentId, generation];
      const { rows } = await pool.query<{ text_hash: string; count: string }>(OCCURRENCES, key);
      const last = await pool.query<{ char_end: number }>(CHAR_END, [...key, pageChunks - 1]);
      return {
        occurrences: new Map(rows.map((row) => [row.text_hash, Number(row.count)])),
        charEnd: last.rows[0]?.char_end ?? 0,
      };
    },
    async writeChunks(pages) {
      const cuts = pages.map(({ claim, ...page }) => ({
        document_id: claim.documentId,
        generation: claim.generation,
        epoch: claim.epoch,
        stage: page.stage,
        pages_done: page.pagesDone,
        pages_total: page.pagesTotal,
        found_title: page.foundTitle === null ? null : plainText(page.foundTitle),
        page_chunks: page.pageChunks,
        chunks: page.chunks.length,
      }));
      const chunks = pages.flatMap((page) =>
        page.chunks.map((chunk) => toChunkRow(page.claim, page.versionId, chunk)),
      );
      const params = [JSON.stringify(cuts), JSON.stringify(chunks)];
      const { rows } = await withoutDeadlock(() => pool.query<KeyRow>(WRITE_CHUNKS, params));
      return rows.map(toKey);
    },
    async chunksIn(state, claims, max) {
      const { rows } = await pool.query<ChunkRow>(CHUNKS_IN, [toKeyRows(claims), state, max]);
      return rows.map(toWorkChunk);
    },
    async moveChunks(state, claims, chunks) {
      const rows = chunks.map((chunk) => ({
        document_id: chunk.documentId,
        generation: chunk.generation,
        ordinal: chunk.ordinal,
      }));
      return await fenced(MOVE_CHUNKS, claims, JSON.stringify(rows), state);
    },
    moveOn: (stage, claims) => fenced(MOVE_ON, claims, stage),
    async setDimensions(versionId, dimensions) {
      const { rows } = await pool.query<{ dimensions: number }>(SET_DIMENSIONS, [versionId, dimensions]);
      return rows[0]?.dimensions ?? dimensions;
    },
    async keepPoints(versionId, pointIds) {
      const params = [versionId, pointIds];
      const { rows } = await pool.query<{ listed: boolean; busy: boolean }>(CLAIMED_POINTS, params);
      if (rows[0]?.listed && !rows[0].busy) await pool.query(KEEP_POINTS, params);
      return !rows[0]?.busy;
    },

    publish: (claims) => withoutDeadlock(() => pool.transaction((tx) => publishClaims(tx, claims))),
    fail: (failures) => withoutDeadlock(() => pool.transaction((tx) => failClaims(tx, failures))),
  };
}

interface ChunkRow {
  document_id: string;
  generation: string;
  ordinal: number;
  point_id: string;
  text_hash: string;
  text: string;
  heading_path: string[];
}

function toWorkChunk(row: ChunkRow): WorkChunk {
  return {
    documentId: row.document_id,
    generation: Number(row.generation),
    ordinal: row.ordinal,
    pointId: row.point_id,
    textHash: row.text_hash,
    text: row.text,
    headingPath: row.heading_path,
  };
}

function toChunkRow({ documentId, generation }: ClaimKey, versionId: string, chunk: NewChunk): object {
  return {
    document_id: documentId,
    generation,
    version_id: versionId,
    ordinal: chunk.ordinal,
    point_id: chunk.pointId,
    text_hash: chunk.textHash,
    text: plainText(chunk.text),
    heading_path: chunk.headingPath.map(plainText),
    page: chunk.page,
    char_start: chunk.charStart,
    char_end: chunk.charEnd,
    tokens: chunk.tokens,
  };
}

const toKey = (row: KeyRow): ClaimKey => ({
  documentId: row.document_id,
  generation: Number(row.generation),
  epoch: row.epoch,
});

function toClaim(raw: unknown): Claim {
  const row = ClaimRow.parse(raw);
  return {
    documentId: row.document_id,
    generation: row.generation,
    epoch: row.epoch,
    attempt: row.attempt,
    collectionId: row.collection_id,
    versionId: row.version_id,
    isActive: row.is_active,
    embeddingModel: row.embedding_model,
    dimensions: row.dimensions,
    chunk: { tokens: row.chunk_tokens, overlap: row.chunk_overlap },
    stage: row.stage,
    blobSha256: row.blob_sha256,
    hasBody: row.has_body,
    fileName: row.file_name,
    title: row.title,
    mediaType: row.media_type,
    owner: row.owner,
    weight: row.weight,
    pagesDone: row.pages_done,
    chunkCount: row.chunk_count,
    pageChunks: row.page_chunks,
  };
}
