import { z } from 'zod';
import type { Json } from '../core/json-value.ts';
import type { SqlPool } from '../core/sql-pool.ts';
import type { MetadataCondition, VisibleChunk, VisibleChunks } from '../rag/visible-chunks.ts';
import { plainText, reachable } from './run-values.ts';

const ChunkRow = z
  .object({
    point_id: z.string(),
    ordinal: z.number(),
    document_id: z.string(),
    external_id: z.string(),
    title: z.string().nullable(),
    text: z.string(),
    heading_path: z.array(z.string()),
    page: z.number().nullable(),
    char_start: z.number(),
    char_end: z.number(),
    metadata: z.string().transform((text) => JSON.parse(text) as Json),
  })
  .transform(
    (row): VisibleChunk => ({
      pointId: row.point_id,
      chunkId: `${row.document_id}:${row.ordinal}`,
      documentId: row.document_id,
      externalId: row.external_id,
      title: row.title,
      text: row.text,
      headingPath: row.heading_path,
      page: row.page,
      charStart: row.char_start,
      charEnd: row.char_end,
      metadata: row.metadata,
    }),
  );

// One look into an index for each point, and for its document: without statistics (PGlite has none, a server not at first) a join
// may begin with the documents, and read every chunk of each. OFFSET 0 keeps the planner from taking the parts together.
const selectChunks = (conditions: string) => `
  SELECT chunk.point_id, chunk.ordinal, chunk.document_id, document.external_id, document.title, chunk.text,
    chunk.heading_path, chunk.page, chunk.char_start, chunk.char_end, document.metadata
  FROM unnest($2::uuid[]) AS wanted(id)
  CROSS JOIN LATERAL (
    SELECT * FROM citadel.chunk WHERE version_id = $1 AND point_id = wanted.id OFFSET 0
  ) AS chunk
  CROSS JOIN LATERAL (
    SELECT collection_id, external_id, title, metadata FROM citadel.document
    WHERE id = chunk.document_id AND active_generation = chunk.generation${conditions} OFFSET 0
  ) AS document
  WHERE EXISTS (
    SELECT FROM citadel.collection WHERE id = document.collection_id AND active_version = chunk.version_id OFFSET 0
  )`;

const SELECT_DOCUMENTS = `
  SELECT document.id FROM citadel.document
  WHERE document.collection_id = $1 AND document.active_generation IS NOT NULL`;

const HAS = `(metadata_json @> jsonb_build_object(FIELD::text, VALUE::jsonb)
  OR metadata_json @> jsonb_build_object(FIELD::text, jsonb_build_array(VALUE::jsonb)))`;
const HAS_ONE = `EXISTS (
  SELECT FROM jsonb_array_elements(VALUE::jsonb) AS one WHERE ${HAS.replaceAll('VALUE::jsonb', 'one')})`;
const COMPARES = `(jsonb_typeof(metadata_json -> FIELD::text) = jsonb_typeof(VALUE::jsonb)
  AND (metadata_json -> FIELD::text) SIGN VALUE::jsonb)`;

/** Each with the names FIELD and VALUE for its two parameters. */
const CONDITIONS = {
  eq: HAS,
  ne: `NOT ${HAS}`,
  in: HAS_ONE,
  nin: `NOT ${HAS_ONE}`,
  gt: COMPARES.replace('SIGN', '>'),
  gte: COMPARES.replace('SIGN', '>='),
  lt: COMPARES.replace('SIGN', '<'),
  lte: COMPARES.replace('SIGN', '<='),
} as const satisfies Record<MetadataCondition['operator'], string>;

/** What searches may show, in Postgres, a server or PGlite. */
export function createPostgresVisibleChunks(database: SqlPool): VisibleChunks {
  const pool = reachable(database);

  return {
    async byPoints(versionId, pointIds, conditions = []) {
      const { text, params } = where(conditions, 3);
      const { rows } = await pool.query(selectChunks(text), [versionId, pointIds, ...params]);
      return rows.map((row) => ChunkRow.parse(row));
    },
    async matchingDocuments(collectionId, conditions, limit) {
      const { text, params } = where(conditions, 3);
      const { rows } = await pool.query<{ id: string }>(`${SELECT_DOCUMENTS}${text} LIMIT $2`, [
        ...[collectionId, limit + 1, ...params],
      ]);
      return rows.map(({ id }) => id);
    },
  };
}

/** Fixed texts alone; what the caller wrote is in the parameters, from `first` on. */
function where(conditions: readonly MetadataCondition[], first: number): { text: string; params: string[] } {
  const texts = conditions.map(({ operator }, index) => {
    const field = `$${first + index * 2}`;
    const value = `$${first + index * 2 + 1}`;
    return ` AND ${CONDITIONS[operator].replaceAll('FIELD', field).replaceAll('VALUE', value)}`;
  });
  const params = conditions.flatMap(({ field, value }) => [plainText(field), plainJson(value)]);
  return { text: texts.join(''), params };
}

/** As the rows keep it: jsonb takes neither NUL nor halves of surrogate pairs. */
function plainJson(value: MetadataCondition['value']): string {
  return JSON.stringify(value, (_, one: unknown) => (typeof one === 'string' ? plainText(one) : one));
}
