import { z } from 'zod';
import { AppError } from '../core/errors.ts';
import { newIndexVersionId } from '../core/ids.ts';
import type { Json } from '../core/json-value.ts';
import type { SqlPool, SqlQueryable } from '../core/sql-pool.ts';
import type { BuildProgress, Collection, CollectionStore, IndexVersion } from '../rag/collection.ts';
import { beginBuild, beginRollback, parseVersion, remake, switchTo, VERSION_COLUMNS } from './rag-builds.ts';
import { dropGenerations, endItems } from './rag-endings.ts';
import { withoutDeadlock } from './run-commit.ts';
import { plainText, reachable } from './run-values.ts';

const CollectionRow = z
  .object({
    id: z.string(),
    name: z.string(),
    owner: z.string(),
    shared: z.boolean(),
    embedding_model: z.string().nullable(),
    chunk_tokens: z.number(),
    chunk_overlap: z.number(),
    weights: z.string().transform((text) => JSON.parse(text) as Collection['weights']),
    metadata: z.string().transform((text) => JSON.parse(text) as Json),
    active_version: z.string(),
    created_at: z.date(),
  })
  .transform(
    (row): Collection => ({
      id: row.id,
      name: row.name,
      owner: row.owner,
      isShared: row.shared,
      embeddingModel: row.embedding_model,
      chunk: { tokens: row.chunk_tokens, overlap: row.chunk_overlap },
      weights: row.weights,
      metadata: row.metadata,
      activeVersion: row.active_version,
      createdAt: row.created_at,
    }),
  );

const INSERT = `
  WITH made AS (
    INSERT INTO citadel.collection (
      id, name, owner, shared, embedding_model, chunk_tokens, chunk_overlap, weights, metadata, active_version
    ) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
    ON CONFLICT (name) DO NOTHING
    RETURNING *
  ), version AS (
    INSERT INTO citadel.index_version (id, collection_id, embedding_model, chunk_tokens, chunk_overlap, state)
    SELECT active_version, id, embedding_model, chunk_tokens, chunk_overlap, 'active' FROM made
  )
  SELECT * FROM made`;

const SELECT_PAGE = `
  SELECT * FROM citadel.collection
  WHERE ($2::text IS NULL OR id > $2) AND ($3::text IS NULL OR owner = $3 OR shared)
  ORDER BY id LIMIT $1`;

const COUNTS = `
  SELECT count(*) AS documents, coalesce(sum(made.chunk_count), 0) AS chunks
  FROM citadel.document JOIN citadel.generation AS made
    ON made.document_id = document.id AND made.generation = document.active_generation AND made.state = 'published'
  WHERE document.collection_id = $1`;

const SELECT_VERSIONS = `
  SELECT ${VERSION_COLUMNS} FROM citadel.index_version WHERE collection_id = $1 ORDER BY created_at, id`;

const SELECT_BUILDING = `
  SELECT ${VERSION_COLUMNS} FROM citadel.index_version WHERE state = 'building' ORDER BY created_at, id`;

const PROGRESS = `
  SELECT count(*) FILTER (WHERE made.state = 'ready') AS ready, count(*) FILTER (WHERE made.state = 'failed') AS failed,
    count(*) AS total
  FROM citadel.document
  JOIN citadel.generation AS active
    ON active.document_id = document.id AND active.generation = document.active_generation
  LEFT JOIN citadel.generation AS made
    ON made.document_id = document.id AND made.version_id = $2 AND made.content = active.content
  WHERE document.collection_id = $1`;

/** So many are named. */
const FAILURES_MAX = 20;

const FAILURES = `
  SELECT document.id, document.external_id, made.reason_code, made.error
  FROM citadel.document
  JOIN citadel.generation AS active
    ON active.document_id = document.id AND active.generation = document.active_generation
  JOIN citadel.generation AS made
    ON made.document_id = document.id AND made.version_id = $2 AND made.content = active.content
  WHERE document.collection_id = $1 AND made.state = 'failed'
  ORDER BY document.external_id LIMIT $3`;

const REMOVE = 'DELETE FROM citadel.collection WHERE id = $1 RETURNING id';

// What is on its way ends at once; the rows of its documents are nobody's any more, and go with the sweep.
const UNDER_WAY = `
  SELECT document_id, generation FROM citadel.generation WHERE collection_id = $1 AND state = 'in_progress'
  ORDER BY document_id FOR UPDATE`;

const CHANGE = `
  UPDATE citadel.collection
  SET shared = coalesce($2, shared), metadata = coalesce($3, metadata), weights = coalesce($4, weights)
  WHERE id = $1`;

/** Collections and their indexes in Postgres, a server or PGlite. */
export function createPostgresCollectionStore(database: SqlPool): CollectionStore {
  const pool = reachable(database);

  async function select(column: 'id' | 'name', value: string): Promise<Collection | null> {
    const { rows } = await pool.query(SELECT_ONE[column], [plainText(value)]);
    return rows[0] ? CollectionRow.parse(rows[0]) : null;
  }

  return {
    async insert(collection) {
      const { rows } = await pool.query(INSERT, [
        collection.id,
        plainText(collection.name),
        plainText(collection.owner),
        collection.isShared,
        collection.embeddingModel,
        collection.chunk.tokens,
        collection.chunk.overlap,
        JSON.stringify(collection.weights),
        JSON.stringify(collection.metadata),
        newIndexVersionId(),
      ]);
      if (rows[0]) return CollectionRow.parse(rows[0]);
      throw new AppError('conflict', `There is a collection \`${collection.name}\` already.`, {
        param: 'name',
      });
    },
    byName: (name) => select('name', name),
    byId: (id) => select('id', id),
    async list({ limit, after, owner }) {
      const { rows } = await pool.query(SELECT_PAGE, [limit + 1, after, owner ?? null]);
      return rows.map((row) => CollectionRow.parse(row));
    },
    async counts(id) {
      const { rows } = await pool.query<{ documents: string; chunks: string }>(COUNTS, [id]);
      return { documents: Number(rows[0]?.documents ?? 0), chunks: Number(rows[0]?.chunks ?? 0) };
    },
    async versions(id) {
      const { rows } = await pool.query(SELECT_VERSIONS, [id]);
      return rows.map(parseVersion);
    },
    async remove(id) {
      return await withoutDeadlock(() =>
        pool.transaction(async (tx) => {
          const { rows } = await tx.query(REMOVE, [id]);
          if (rows.length === 0) return false;
          await endWork(tx, id);
          return true;
        }),
      );
    },
    async change(id, { isShared, metadata, weights }) {
      await pool.query(CHANGE, [
        id,
        isShared ?? null,
        metadata === undefined ? null : JSON.stringify(metadata),
        weights === undefined ? null : JSON.stringify(weights),
      ]);
    },

    build: (id, settings) => pool.transaction((tx) => beginBuild(tx, id, settings)),
    rollback: (id) => pool.transaction((tx) => beginRollback(tx, id)),
    async building() {
      const { rows } = await pool.query(SELECT_BUILDING);
      return rows.map(parseVersion);
    },
    remake: (version, max) => withoutDeadlock(() => remake(pool, version, max)),
    progress: (version) => readProgress(pool, version),
    switchTo: (version, options) =>
      withoutDeadlock(() => pool.transaction((tx) => switchTo(tx, version, options))),
  };
}

interface FailureRow {
  id: string;
  external_id: string;
  reason_code: string | null;
  error: string | null;
}

async function readProgress(pool: SqlQueryable, { id, collectionId }: IndexVersion): Promise<BuildProgress> {
  const { rows } = await pool.query<{ ready: string; failed: string; total: string }>(PROGRESS, [
    collectionId,
    id,
  ]);
  const [row] = rows;
  const failed = Number(row?.failed ?? 0);
  const failures =
    failed > 0 ? await pool.query<FailureRow>(FAILURES, [collectionId, id, FAILURES_MAX]) : { rows: [] };
  return {
    ready: Number(row?.ready ?? 0),
    failed,
    total: Number(row?.total ?? 0),
    failures: failures.rows.map((failure) => ({
      documentId: failure.id,
      externalId: failure.external_id,
      reasonCode: failure.reason_code,
      error: failure.error,
    })),
  };
}

async function endWork(tx: SqlQueryable, collectionId: string): Promise<void> {
  const { rows } = await tx.query<{ document_id: string; generation: string }>(UNDER_WAY, [collectionId]);
  const keys = rows.map((row) => ({ documentId: row.document_id, generation: Number(row.generation) }));
  const ending = { status: 'cancelled', reasonCode: 'collection_deleted', error: null } as const;
  await endItems(
    tx,
    keys.map((key) => ({ ...key, ...ending })),
  );
  await dropGenerations(tx, keys);
}

const SELECT_ONE = {
  id: 'SELECT * FROM citadel.collection WHERE id = $1',
  name: 'SELECT * FROM citadel.collection WHERE name = $1',
} as const;
