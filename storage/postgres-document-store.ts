import { z } from 'zod';
import type { Json } from '../core/json-value.ts';
import type { SqlPool } from '../core/sql-pool.ts';
import type { DocumentStore, RagDocument } from '../rag/document.ts';
import { STAGE_NAMES } from './rag-columns.ts';
import { dropGenerations, endItems } from './rag-endings.ts';
import { withoutDeadlock } from './run-commit.ts';
import { plainText, reachable } from './run-values.ts';

const DocumentRow = z
  .object({
    id: z.string(),
    external_id: z.string(),
    title: z.string().nullable(),
    source: z.string().nullable(),
    media_type: z.string().nullable(),
    metadata: z.string().transform((text) => JSON.parse(text) as Json),
    status: z.enum(['in_progress', 'completed', 'failed', 'cancelled']),
    stage: z.enum(STAGE_NAMES).nullable(),
    reason_code: z.string().nullable(),
    error: z.string().nullable(),
    waiting_on: z.string().nullable(),
    is_searchable: z.boolean(),
    chunks: z.coerce.number(),
    created_at: z.date(),
    updated_at: z.date(),
  })
  .transform(
    (row): RagDocument => ({
      id: row.id,
      externalId: row.external_id,
      title: row.title,
      source: row.source,
      mediaType: row.media_type,
      metadata: row.metadata,
      status: row.status,
      stage: row.stage,
      reasonCode: row.reason_code,
      error: row.error,
      waitingOn: row.waiting_on,
      isSearchable: row.is_searchable,
      chunks: row.chunks,
      createdAt: row.created_at,
      updatedAt: row.updated_at,
    }),
  );

// Its newest content says how it stands: on its way, or as its item ended, or as the index that is searched now took it.
const DOCUMENTS = `
  SELECT document.id, document.external_id, document.title, document.source, document.media_type, document.metadata,
    CASE WHEN going.state IS NOT NULL THEN 'in_progress'
      WHEN item.status IN ('failed', 'cancelled') THEN item.status
      WHEN active.generation IS NULL THEN 'cancelled'
      WHEN active.state = 'failed' THEN 'failed' ELSE 'completed' END AS status,
    coalesce(going.stage, item.stage, CASE WHEN active.state = 'failed' THEN active.stage END) AS stage,
    coalesce(item.reason_code, active.reason_code) AS reason_code, coalesce(going.error, item.error, active.error) AS error,
    going.waiting_on, coalesce(active.state = 'published', false) AS is_searchable,
    CASE WHEN active.state = 'published' THEN active.chunk_count ELSE 0 END AS chunks,
    document.created_at, document.updated_at
  FROM asked AS document
  LEFT JOIN citadel.generation AS active
    ON active.document_id = document.id AND active.generation = document.active_generation
  LEFT JOIN LATERAL (
    SELECT state, stage, waiting_on, error FROM citadel.generation AS made
    WHERE made.document_id = document.id AND made.state = 'in_progress'
      AND made.content > coalesce(active.content, 0)
    ORDER BY made.generation DESC LIMIT 1
  ) AS going ON true
  LEFT JOIN LATERAL (
    SELECT status, stage, reason_code, error FROM citadel.ingest_item AS made
    WHERE made.document_id = document.id AND made.generation > coalesce(active.content, 0)
    ORDER BY made.generation DESC LIMIT 1
  ) AS item ON true
  ORDER BY document.id`;

const SELECT_ONE = `
  WITH asked AS (SELECT * FROM citadel.document WHERE collection_id = $1 AND id = $2) ${DOCUMENTS}`;
// The page first: what is told of a document costs two looks.
const SELECT_PAGE = `
  WITH asked AS (
    SELECT * FROM citadel.document WHERE collection_id = $1 AND ($3::text IS NULL OR id > $3) ORDER BY id LIMIT $2
  ) ${DOCUMENTS}`;

// Whoever publishes holds it too.
const LOCK = 'SELECT id FROM citadel.document WHERE collection_id = $1 AND id = $2 FOR UPDATE';
const GENERATIONS = 'SELECT generation FROM citadel.generation WHERE document_id = $1 FOR UPDATE';
const REMOVE = 'DELETE FROM citadel.document WHERE id = $1';

/** Documents of collections in Postgres, a server or PGlite. */
export function createPostgresDocumentStore(database: SqlPool): DocumentStore {
  const pool = reachable(database);

  return {
    async get(collectionId, id) {
      const { rows } = await pool.query(SELECT_ONE, [collectionId, plainText(id)]);
      return rows[0] ? DocumentRow.parse(rows[0]) : null;
    },
    async list(collectionId, { limit, after }) {
      const { rows } = await pool.query(SELECT_PAGE, [collectionId, limit + 1, after]);
      return rows.map((row) => DocumentRow.parse(row));
    },
    remove: (collectionId, id) =>
      withoutDeadlock(() =>
        pool.transaction(async (tx) => {
          const { rows } = await tx.query(LOCK, [collectionId, plainText(id)]);
          if (rows.length === 0) return false;
          const made = await tx.query<{ generation: string }>(GENERATIONS, [id]);
          const keys = made.rows.map(({ generation }) => ({
            documentId: id,
            generation: Number(generation),
          }));
          const ended = { status: 'cancelled', reasonCode: 'document_deleted', error: null } as const;
          await endItems(
            tx,
            keys.map((key) => ({ ...key, ...ended })),
          );
          await dropGenerations(tx, keys);
          await tx.query(REMOVE, [id]);
          return true;
        }),
      ),
  };
}
