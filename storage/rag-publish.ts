import type { SqlQueryable } from '../core/sql-pool.ts';
import type { ClaimKey, Failure } from '../rag/ingest-work.ts';
import { asJsonb } from './rag-columns.ts';
import { dropGenerations, type Ending, endItems, type GenerationKey, toKeyRows } from './rag-endings.ts';

const KEYS = 'json_to_recordset($1::json) AS held (document_id text, generation bigint, epoch integer)';

// One look for each: joined, all contents of a collection would be read. Shared with others that publish; a switch to another index locks them out.
const LOCK_COLLECTIONS = `
  SELECT id FROM citadel.collection
  WHERE id IN (
    SELECT made.collection_id FROM ${KEYS} CROSS JOIN LATERAL (
      SELECT collection_id FROM citadel.generation
      WHERE document_id = held.document_id AND generation = held.generation OFFSET 0
    ) AS made
  )
  ORDER BY id FOR SHARE`;

const LOCK_DOCUMENTS = `
  SELECT document.id FROM ${KEYS}
  JOIN citadel.generation AS made USING (document_id, generation)
  JOIN citadel.document ON document.id = made.document_id
  ORDER BY document.collection_id, document.external_id FOR UPDATE OF made, document`;

// Read after the locks are held: before, it might have been another's state.
const STANDINGS = `
  SELECT made.document_id, made.generation,
    CASE
      WHEN version.id <> collection.active_version AND version.state = 'building' THEN 'ready'
      WHEN version.id <> collection.active_version THEN 'moved'
      WHEN active.content > made.content THEN 'superseded'
      ELSE 'published'
    END AS standing
  FROM ${KEYS}
  JOIN citadel.generation AS made USING (document_id, generation, epoch)
  JOIN citadel.document ON document.id = made.document_id
  JOIN citadel.collection ON collection.id = document.collection_id
  JOIN citadel.index_version AS version ON version.id = made.version_id
  LEFT JOIN citadel.generation AS active
    ON active.document_id = document.id AND active.generation = document.active_generation
  WHERE made.state = 'in_progress'`;

const OLDER = `
  SELECT old.document_id, old.generation
  FROM json_to_recordset($1::json) AS held (document_id text, generation bigint)
  JOIN citadel.generation AS made USING (document_id, generation)
  JOIN citadel.generation AS old ON old.document_id = made.document_id AND old.content < made.content`;

const FLIP = `
  WITH flipped AS (
    UPDATE citadel.generation AS made SET
      state = 'published', stage = 'publish', worker = NULL, waiting_on = NULL, error = NULL
    FROM json_to_recordset($1::json) AS held (document_id text, generation bigint)
    WHERE made.document_id = held.document_id AND made.generation = held.generation
    RETURNING made.*
  )
  UPDATE citadel.document SET
    active_generation = flipped.generation, title = coalesce(flipped.title, flipped.found_title),
    source = flipped.source, media_type = flipped.media_type, metadata = flipped.metadata,
    metadata_json = ${asJsonb('flipped.metadata')}, updated_at = now()
  FROM flipped WHERE document.id = flipped.document_id`;

const SET_READY = `
  UPDATE citadel.generation AS made SET
    state = 'ready', stage = 'publish', worker = NULL, waiting_on = NULL, error = NULL
  FROM json_to_recordset($1::json) AS held (document_id text, generation bigint)
  WHERE made.document_id = held.document_id AND made.generation = held.generation`;

// The index that it was made for is not the active one any more: once more, for that.
const START_AGAIN = `
  WITH again AS (
    UPDATE citadel.generation AS made SET
      version_id = collection.active_version, stage = 'parse', pages_done = 0, chunk_count = 0, page_chunks = 0,
      worker = NULL, attempt = 0, due_at = now()
    FROM json_to_recordset($1::json) AS held (document_id text, generation bigint), citadel.collection
    WHERE made.document_id = held.document_id AND made.generation = held.generation
      AND collection.id = made.collection_id
    RETURNING made.document_id, made.generation
  ), cut AS (
    DELETE FROM citadel.chunk USING again
    WHERE chunk.document_id = again.document_id AND chunk.generation = again.generation
    RETURNING chunk.version_id, chunk.point_id
  )
  INSERT INTO citadel.point_outbox (version_id, point_id) SELECT DISTINCT version_id, point_id FROM cut
  ON CONFLICT (version_id, point_id) DO NOTHING`;

type Standing = 'published' | 'ready' | 'moved' | 'superseded';

/** What is indexed becomes what is searched; what it replaces, and what it has overtaken, goes. */
export async function publishClaims(tx: SqlQueryable, claims: readonly ClaimKey[]): Promise<void> {
  const keys = toKeyRows(claims);
  await tx.query(LOCK_COLLECTIONS, [keys]);
  await tx.query(LOCK_DOCUMENTS, [keys]);
  const { rows } = await tx.query<{ document_id: string; generation: string; standing: Standing }>(
    STANDINGS,
    [keys],
  );
  const standing = (wanted: Standing): GenerationKey[] =>
    rows
      .filter((row) => row.standing === wanted)
      .map((row) => ({ documentId: row.document_id, generation: Number(row.generation) }));

  const published = standing('published');
  if (published.length > 0) {
    const older = await tx.query<{ document_id: string; generation: string }>(OLDER, [toKeyRows(published)]);
    await tx.query(FLIP, [toKeyRows(published)]);
    const overtaken = older.rows.map((row) => ({
      documentId: row.document_id,
      generation: Number(row.generation),
    }));
    await endItems(tx, [...published.map(toCompleted), ...overtaken.map(toSuperseded)]);
    await dropGenerations(tx, overtaken);
  }
  const late = standing('superseded');
  await endItems(tx, late.map(toSuperseded));
  await dropGenerations(tx, late);
  const ready = standing('ready');
  if (ready.length > 0) await tx.query(SET_READY, [toKeyRows(ready)]);
  const moved = standing('moved');
  if (moved.length > 0) await tx.query(START_AGAIN, [toKeyRows(moved)]);
}

const LOCK_FAILED = `
  SELECT made.document_id, made.generation, version.state <> 'active' AS is_aside
  FROM ${KEYS}
  JOIN citadel.generation AS made USING (document_id, generation, epoch)
  JOIN citadel.index_version AS version ON version.id = made.version_id
  WHERE made.state = 'in_progress' ORDER BY made.document_id FOR UPDATE OF made`;

// Kept: an index that is built beside the active one must know what it could not take in.
const SET_FAILED = `
  WITH failed AS (
    UPDATE citadel.generation AS made SET state = 'failed', reason_code = held.reason_code, error = held.error, worker = NULL
    FROM json_to_recordset($1::json) AS held (document_id text, generation bigint, reason_code text, error text)
    WHERE made.document_id = held.document_id AND made.generation = held.generation
    RETURNING made.document_id, made.generation
  ), cut AS (
    DELETE FROM citadel.chunk USING failed
    WHERE chunk.document_id = failed.document_id AND chunk.generation = failed.generation
    RETURNING chunk.version_id, chunk.point_id
  )
  INSERT INTO citadel.point_outbox (version_id, point_id) SELECT DISTINCT version_id, point_id FROM cut
  ON CONFLICT (version_id, point_id) DO NOTHING`;

/** They end without being searched; the content before them stays. */
export async function failClaims(tx: SqlQueryable, failures: readonly Failure[]): Promise<void> {
  const { rows } = await tx.query<{ document_id: string; generation: string; is_aside: boolean }>(
    LOCK_FAILED,
    [toKeyRows(failures.map(({ claim }) => claim))],
  );
  const aside = new Map(rows.map((row) => [`${row.document_id}/${row.generation}`, row.is_aside]));
  const held = failures.filter(({ claim }) => aside.has(`${claim.documentId}/${claim.generation}`));
  const isAside = ({ claim }: Failure) => aside.get(`${claim.documentId}/${claim.generation}`) === true;
  await endItems(tx, held.map(toFailed));
  await dropGenerations(
    tx,
    held.filter((failure) => !isAside(failure)).map(({ claim }) => claim),
  );
  const kept = held.filter(isAside).map(({ claim, reasonCode, error }) => ({
    document_id: claim.documentId,
    generation: claim.generation,
    reason_code: reasonCode,
    error,
  }));
  if (kept.length > 0) await tx.query(SET_FAILED, [JSON.stringify(kept)]);
}

const toCompleted = (key: GenerationKey): Ending => ({
  ...key,
  status: 'completed',
  reasonCode: null,
  error: null,
});

const toSuperseded = (key: GenerationKey): Ending => ({
  ...key,
  status: 'cancelled',
  reasonCode: 'superseded',
  error: null,
});

const toFailed = ({ claim, reasonCode, error }: Failure): Ending => ({
  documentId: claim.documentId,
  generation: claim.generation,
  status: 'failed',
  reasonCode,
  error,
});
