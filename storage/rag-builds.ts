import { z } from 'zod';
import { AppError } from '../core/errors.ts';
import { newIndexVersionId } from '../core/ids.ts';
import type { SqlPool, SqlQueryable } from '../core/sql-pool.ts';
import type { CollectionStore, IndexVersion } from '../rag/collection.ts';

const VersionRow = z
  .object({
    id: z.string(),
    collection_id: z.string(),
    embedding_model: z.string().nullable(),
    dimensions: z.number().nullable(),
    chunk_tokens: z.number(),
    chunk_overlap: z.number(),
    state: z.enum(['building', 'active', 'retired']),
    created_at: z.date(),
    retired_at: z.date().nullable(),
  })
  .transform(
    (row): IndexVersion => ({
      id: row.id,
      collectionId: row.collection_id,
      embeddingModel: row.embedding_model,
      dimensions: row.dimensions,
      chunk: { tokens: row.chunk_tokens, overlap: row.chunk_overlap },
      state: row.state,
      createdAt: row.created_at,
      retiredAt: row.retired_at,
    }),
  );

export const VERSION_COLUMNS =
  'id, collection_id, embedding_model, dimensions, chunk_tokens, chunk_overlap, state, created_at, retired_at';

export const parseVersion = (row: unknown): IndexVersion => VersionRow.parse(row);

const LOCK = 'SELECT active_version FROM citadel.collection WHERE id = $1 FOR UPDATE';

// What was built so far goes with the sweep, as an index that was retired long ago does.
const GIVE_UP = `
  UPDATE citadel.index_version SET state = 'retired', retired_at = '-infinity'
  WHERE collection_id = $1 AND state = 'building' RETURNING id`;

const BEGIN = `
  INSERT INTO citadel.index_version (id, collection_id, embedding_model, chunk_tokens, chunk_overlap, state)
  VALUES ($1, $2, $3, $4, $5, 'building') RETURNING ${VERSION_COLUMNS}`;

type Settings = Parameters<CollectionStore['build']>[1];

export async function beginBuild(tx: SqlQueryable, id: string, settings: Settings): Promise<IndexVersion> {
  const { rows: found } = await tx.query(LOCK, [id]);
  if (found.length === 0) throw new AppError('not_found', 'This collection has just been deleted.');
  await tx.query(GIVE_UP, [id]);
  const { embeddingModel, chunk } = settings;
  const { rows } = await tx.query(BEGIN, [
    newIndexVersionId(),
    id,
    embeddingModel,
    chunk.tokens,
    chunk.overlap,
  ]);
  return parseVersion(rows[0]);
}

const TAKE_BACK = `
  UPDATE citadel.index_version SET state = 'building', retired_at = NULL
  WHERE id = (
    SELECT id FROM citadel.index_version
    WHERE collection_id = $1 AND state = 'retired' AND retired_at > '-infinity'
    ORDER BY retired_at DESC LIMIT 1
  )
  RETURNING id`;

/**
 * Gives up what is being built, or else takes back the index before this one: what is in there as it is now, is ready, and
 * the rest is made again. False where there is neither.
 */
export async function beginRollback(tx: SqlQueryable, id: string): Promise<boolean> {
  await tx.query(LOCK, [id]);
  const { rows } = await tx.query(GIVE_UP, [id]);
  if (rows.length > 0) return true;
  const taken = await tx.query(TAKE_BACK, [id]);
  return taken.rows.length > 0;
}

const REMAKE = `
  WITH missing AS (
    SELECT document.id, active.generation
    FROM citadel.document
    JOIN citadel.generation AS active
      ON active.document_id = document.id AND active.generation = document.active_generation
    WHERE document.collection_id = $1 AND NOT EXISTS (
      SELECT FROM citadel.generation AS made
      WHERE made.document_id = document.id AND made.version_id = $2 AND made.content = active.content
    )
    ORDER BY document.external_id LIMIT $3 FOR UPDATE OF document
  ), numbered AS (
    UPDATE citadel.document SET last_generation = last_generation + 1 FROM missing WHERE document.id = missing.id
    RETURNING document.id, document.last_generation, missing.generation
  )
  INSERT INTO citadel.generation (
    document_id, generation, collection_id, version_id, content, blob_sha256, body, pipeline_hash, file_name, title,
    source, media_type, metadata, owner, weight, state, stage, due_at, line_at
  )
  SELECT document_id, numbered.last_generation, collection_id, $2, content, blob_sha256, body, pipeline_hash, file_name,
    title, source, media_type, metadata, owner, weight, 'in_progress', 'parse', now(),
    now() + row_number() OVER () * interval '10 ms'
  FROM numbered JOIN citadel.generation AS active
    ON active.document_id = numbered.id AND active.generation = numbered.generation
  RETURNING document_id`;

// One process at a time: each must see what the one before has begun.
const LOCK_REMAKE = `SELECT pg_advisory_xact_lock(hashtextextended('citadel.remake', 0))`;

/** Begins up to `max` documents that this index does not have as they are now. */
export async function remake(pool: SqlPool, version: IndexVersion, max: number): Promise<number> {
  return await pool.transaction(async (tx) => {
    await tx.query(LOCK_REMAKE);
    const { rows } = await tx.query(REMAKE, [version.collectionId, version.id, max]);
    return rows.length;
  });
}

const IS_BUILDING = `SELECT FROM citadel.index_version WHERE id = $1 AND state = 'building'`;

const LACKING = `
  SELECT document.id
  FROM citadel.document
  JOIN citadel.generation AS active
    ON active.document_id = document.id AND active.generation = document.active_generation
  WHERE document.collection_id = $1 AND NOT EXISTS (
    SELECT FROM citadel.generation AS made
    WHERE made.document_id = document.id AND made.version_id = $2 AND made.content = active.content
      AND made.state = ANY($3)
  )
  LIMIT 1`;

// Both indexes have the documents as they are now: what was searched is ready, and what was ready is searched. What failed in
// one of them stays so: where it is the active one, the document has no chunks, but its bytes for the next index.
const SWITCH_DOCUMENTS = `
  WITH pair AS (
    SELECT DISTINCT ON (document.id) document.id, made.generation, active.generation AS before
    FROM citadel.document
    JOIN citadel.generation AS active
      ON active.document_id = document.id AND active.generation = document.active_generation
    JOIN citadel.generation AS made
      ON made.document_id = document.id AND made.version_id = $2 AND made.content = active.content
    WHERE document.collection_id = $1
    ORDER BY document.id, made.state = 'ready' DESC, made.generation DESC
  ), aside AS (
    UPDATE citadel.generation AS old SET state = 'ready' FROM pair
    WHERE old.document_id = pair.id AND old.generation = pair.before AND old.state = 'published'
  ), front AS (
    UPDATE citadel.generation AS new SET state = 'published' FROM pair
    WHERE new.document_id = pair.id AND new.generation = pair.generation AND new.state = 'ready'
  )
  UPDATE citadel.document SET active_generation = pair.generation FROM pair WHERE document.id = pair.id`;

const SWITCH_VERSIONS = `
  UPDATE citadel.index_version SET
    state = CASE WHEN id = $2 THEN 'active' ELSE 'retired' END,
    retired_at = CASE WHEN id = $2 THEN NULL ELSE coalesce(retired_at, now()) END
  WHERE collection_id = $1 AND (id = $2 OR state = 'active')`;

const SWITCH_COLLECTION = `
  UPDATE citadel.collection SET active_version = version.id, embedding_model = version.embedding_model,
    chunk_tokens = version.chunk_tokens, chunk_overlap = version.chunk_overlap
  FROM citadel.index_version AS version
  WHERE collection.id = $1 AND version.id = $2`;

/** While nothing can be published: false where the index lacks a document as it is now. */
export async function switchTo(
  tx: SqlQueryable,
  { id, collectionId }: Pick<IndexVersion, 'id' | 'collectionId'>,
  { withoutFailed }: { withoutFailed: boolean },
): Promise<boolean> {
  const { rows } = await tx.query(LOCK, [collectionId]);
  if (rows.length === 0) return false;
  // It may have been given up since it was read.
  const building = await tx.query(IS_BUILDING, [id]);
  if (building.rows.length === 0) return false;
  const ended = withoutFailed ? ['ready', 'failed'] : ['ready'];
  const lacking = await tx.query(LACKING, [collectionId, id, ended]);
  if (lacking.rows.length > 0) return false;
  await tx.query(SWITCH_DOCUMENTS, [collectionId, id]);
  await tx.query(SWITCH_VERSIONS, [collectionId, id]);
  await tx.query(SWITCH_COLLECTION, [collectionId, id]);
  return true;
}
