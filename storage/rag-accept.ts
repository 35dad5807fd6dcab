import { AppError } from '../core/errors.ts';
import { newDocumentId } from '../core/ids.ts';
import type { SqlPool, SqlQueryable } from '../core/sql-pool.ts';
import type { NewIngest } from '../rag/ingest-job.ts';
import { asJsonb } from './rag-columns.ts';
import { finishJobs } from './rag-endings.ts';
import { plainText } from './run-values.ts';

const CLAIM_KEY = `
  INSERT INTO citadel.idempotency_key AS known (owner, key, body_hash, run_id, created_at)
  VALUES ($1, $2, $3, $4, now())
  ON CONFLICT (owner, key) DO UPDATE
    SET body_hash = EXCLUDED.body_hash, run_id = EXCLUDED.run_id, created_at = EXCLUDED.created_at
    WHERE known.created_at < now() - interval '24 hours'
  RETURNING run_id`;

const SELECT_KEY = `
  SELECT body_hash, run_id FROM citadel.idempotency_key
  WHERE owner = $1 AND key = $2 AND created_at >= now() - interval '24 hours'`;

// Shared with others that accept, and against its removal and a switch of its index.
const LOCK_COLLECTION = 'SELECT active_version FROM citadel.collection WHERE id = $1 FOR SHARE';

const INSERT_JOB = `
  INSERT INTO citadel.ingest_job (id, collection_id, owner, weight, webhook) VALUES ($1, $2, $3, $4, $5)`;

const KEEP_BLOBS = 'DELETE FROM citadel.blob_outbox WHERE sha256 = ANY($1)';

// Documents in one order, so that two batches do not lock each other out. A content that is searched now, with
// nothing newer on its way, needs no work.
const INSERT_DOCUMENTS = `
  WITH sent AS (
    SELECT * FROM json_to_recordset($1::json) AS sent (
      ordinal integer, document_id text, external_id text, title text, source text, file_name text, media_type text,
      metadata text, blob_sha256 text, body text, pipeline_hash text, is_superseded boolean
    )
  ), known AS (
    INSERT INTO citadel.document AS known (
      id, collection_id, external_id, title, source, media_type, metadata, metadata_json, last_generation
    )
    SELECT document_id, $2, external_id, title, source, media_type, metadata, ${asJsonb('metadata')}, 1
    FROM sent WHERE NOT is_superseded ORDER BY external_id
    ON CONFLICT (collection_id, external_id) DO UPDATE SET last_generation = known.last_generation + 1
    RETURNING known.id, known.external_id, known.active_generation, known.last_generation
  ), judged AS (
    SELECT sent.*, known.id, known.last_generation AS generation, NOT sent.is_superseded AND (
        active.blob_sha256 = sent.blob_sha256 AND active.pipeline_hash = sent.pipeline_hash
        AND active.state = 'published' AND active.version_id = $3 AND NOT EXISTS (
          SELECT FROM citadel.generation AS newer
          WHERE newer.document_id = known.id AND newer.state = 'in_progress' AND newer.content > active.content
        )
      ) IS TRUE AS is_unchanged
    FROM sent JOIN known USING (external_id)
    LEFT JOIN citadel.generation AS active
      ON active.document_id = known.id AND active.generation = known.active_generation
  ), made AS (
    INSERT INTO citadel.generation (
      document_id, generation, collection_id, version_id, content, blob_sha256, body, pipeline_hash, file_name, title,
      source, media_type, metadata, owner, weight, state, stage, due_at, line_at
    )
    SELECT id, generation, $2, $3, generation, blob_sha256, decode(body, 'base64'), pipeline_hash, file_name, title,
      source, media_type, metadata, $5, $6, 'in_progress', 'parse', now(), now() + ordinal * interval '10 ms'
    FROM judged WHERE NOT is_superseded AND NOT is_unchanged
  ), items AS (
    INSERT INTO citadel.ingest_item (
      job_id, ordinal, document_id, external_id, generation, status, reason_code, seq, ended_at
    )
    SELECT $4, ordinal, id, external_id,
      CASE WHEN NOT is_superseded AND NOT is_unchanged THEN generation END,
      CASE WHEN is_superseded THEN 'cancelled' WHEN is_unchanged THEN 'unchanged' ELSE 'in_progress' END,
      CASE WHEN is_superseded THEN 'superseded' END,
      CASE WHEN is_superseded OR is_unchanged
        THEN row_number() OVER (PARTITION BY is_superseded OR is_unchanged ORDER BY ordinal) END,
      CASE WHEN is_superseded OR is_unchanged THEN now() END
    FROM judged
  )
  SELECT count(*) FILTER (WHERE is_superseded OR is_unchanged) AS ended FROM judged`;

const SET_SEQ = 'UPDATE citadel.ingest_job SET last_seq = $2 WHERE id = $1';

/** Writes the job and all that is to come of it, in one transaction. */
export async function acceptIngest(
  pool: SqlPool,
  ingest: NewIngest,
): Promise<{ id: string; isReplayed: boolean }> {
  return await pool.transaction(async (tx) => {
    const replayed = await claimKey(tx, ingest);
    if (replayed !== null) return { id: replayed, isReplayed: true };
    const { rows } = await tx.query<{ active_version: string }>(LOCK_COLLECTION, [ingest.collectionId]);
    if (!rows[0]) throw new AppError('not_found', 'This collection has just been deleted.');
    const blobs = ingest.documents.filter(({ body }) => body === null).map(({ blobSha256 }) => blobSha256);
    if (blobs.length > 0) await tx.query(KEEP_BLOBS, [blobs]);
    await tx.query(INSERT_JOB, [
      ingest.id,
      ingest.collectionId,
      plainText(ingest.owner),
      ingest.weight,
      ingest.webhook && JSON.stringify(ingest.webhook),
    ]);
    const inserted = await tx.query<{ ended: string }>(INSERT_DOCUMENTS, [
      toSentRows(ingest),
      ingest.collectionId,
      rows[0].active_version,
      ingest.id,
      plainText(ingest.owner),
      ingest.weight,
    ]);
    const ended = Number(inserted.rows[0]?.ended ?? 0);
    if (ended > 0) {
      await tx.query(SET_SEQ, [ingest.id, ended]);
      await finishJobs(tx, [ingest.id]);
    }
    return { id: ingest.id, isReplayed: false };
  });
}

/** The job that the key has started; null where it has started none. Throws AppError `idempotency_mismatch`. */
export async function knownIngest(
  db: SqlQueryable,
  owner: string,
  { key, bodyHash }: { key: string; bodyHash: string },
): Promise<string | null> {
  const { rows } = await db.query<{ body_hash: string; run_id: string }>(SELECT_KEY, [
    plainText(owner),
    plainText(key),
  ]);
  if (!rows[0]) return null;
  if (rows[0].body_hash === bodyHash) return rows[0].run_id;
  throw new AppError('idempotency_mismatch', 'This Idempotency-Key came with another request before.');
}

/** Null where it is this ingest's from now on. */
async function claimKey(tx: SqlQueryable, { id, owner, idempotency }: NewIngest): Promise<string | null> {
  if (!idempotency) return null;
  const { key, bodyHash } = idempotency;
  const { rows } = await tx.query(CLAIM_KEY, [plainText(owner), plainText(key), bodyHash, id]);
  return rows.length > 0 ? null : await knownIngest(tx, owner, idempotency);
}

function toSentRows({ documents, superseded }: NewIngest): string {
  const sent = documents.map((document) => ({
    ordinal: document.ordinal,
    document_id: newDocumentId(),
    external_id: plainText(document.externalId),
    title: plain(document.title),
    source: plain(document.source),
    file_name: plain(document.fileName),
    media_type: plain(document.mediaType),
    metadata: JSON.stringify(document.metadata),
    blob_sha256: document.blobSha256,
    body: document.body && Buffer.from(document.body).toString('base64'),
    pipeline_hash: document.pipelineHash,
    is_superseded: false,
  }));
  const earlier = superseded.map(({ ordinal, externalId }) => ({
    ordinal,
    external_id: plainText(externalId),
    is_superseded: true,
  }));
  return JSON.stringify([...sent, ...earlier]);
}

const plain = (text: string | null) => (text === null ? null : plainText(text));
