import { createHash } from 'node:crypto';
import type { SqlPool } from '../../core/sql-pool.ts';
import type { Embedder } from '../../rag/embedder.ts';
import { hashText } from '../../rag/point-id.ts';
import { createSearchService } from '../../rag/search-service.ts';
import { countTerms, textTerms } from '../../rag/text-terms.ts';
import type { VectorIndex } from '../../rag/vector-store.ts';
import { migrate } from '../../storage/migrate.ts';
import { createPglitePool } from '../../storage/pglite-pool.ts';
import { createPgvectorStore } from '../../storage/pgvector-store.ts';
import { createPostgresCollectionStore } from '../../storage/postgres-collection-store.ts';
import { createPostgresVisibleChunks } from '../../storage/postgres-visible-chunks.ts';
import { newDataDirectory } from '../support/pglite-template.ts';

interface TestDocument {
  id: string;
  texts: string[];
  metadata?: Record<string, unknown>;
  title?: string;
  /** Whether it is published. */
  isActive?: boolean;
}

const DIMENSIONS = 32;

/** Words as directions: texts that share words are near each other. */
export const wordVectors: Embedder = {
  embed: async ({ texts }) => texts.map(toVector),
};

function toVector(text: string): Float32Array {
  const vector = new Float32Array(DIMENSIONS).fill(0.01);
  for (const term of textTerms(text)) {
    const place = (createHash('sha1').update(term).digest()[0] ?? 0) % DIMENSIONS;
    vector[place] = (vector[place] ?? 0) + 1;
  }
  return vector;
}

export async function openSearchBundle(dataDir?: string) {
  const directory = dataDir ?? (await newDataDirectory());
  const pool = await createPglitePool({ dataDir: `${directory}/pglite` });
  await migrate(pool);
  const store = await createPgvectorStore(pool);
  const collections = createPostgresCollectionStore(pool);
  const chunks = createPostgresVisibleChunks(pool);
  const search = createSearchService({ collections, chunks, store, embedder: wordVectors });
  let made = 0;

  return {
    pool,
    store,
    collections,
    chunks,
    search,
    /** A collection with these documents in its rows and its index. */
    async collection(
      documents: readonly TestDocument[],
      fields: { embeddingModel?: string | null; owner?: string; isShared?: boolean } = {},
    ) {
      made += 1;
      const collection = await collections.insert({
        id: `col_${made}`,
        name: `collection-${made}`,
        owner: fields.owner ?? '',
        isShared: fields.isShared ?? false,
        embeddingModel: fields.embeddingModel ?? null,
        chunk: { tokens: 400, overlap: 60 },
        weights: { lexical: 1, dense: 1 },
        metadata: {},
      });
      const dimensions = fields.embeddingModel ? DIMENSIONS : null;
      const index: VectorIndex = { id: collection.activeVersion, dimensions };
      await store.ensure(index);
      for (const document of documents) {
        const id = `doc_${made}_${document.id}`;
        await insertDocument(pool, { ...document, id, externalId: document.id }, collection);
        await store.upsert(
          index,
          document.texts.map((text, ordinal) => ({
            id: pointId(`${id} ${ordinal}`),
            documentId: id,
            terms: countTerms([text]),
            vector: dimensions === null ? null : toVector(text),
          })),
        );
      }
      return { ...collection, index };
    },
    close: () => pool.close(),
  };
}

export type SearchBundle = Awaited<ReturnType<typeof openSearchBundle>>;

async function insertDocument(
  pool: SqlPool,
  document: TestDocument & { externalId: string },
  { id: collectionId, activeVersion }: { id: string; activeVersion: string },
): Promise<void> {
  const { id, externalId, title = null, metadata = {}, texts, isActive = true } = document;
  await pool.query(
    `INSERT INTO citadel.document (id, collection_id, external_id, title, metadata, metadata_json, active_generation, last_generation)
     VALUES ($1, $2, $3, $4, $5::text, $5::text::jsonb, $6, 1)`,
    [id, collectionId, externalId, title, JSON.stringify(metadata), isActive ? 1 : null],
  );
  await pool.query(
    `INSERT INTO citadel.generation (document_id, generation, collection_id, version_id, content, blob_sha256,
       pipeline_hash, metadata, owner, weight, state, stage, due_at, line_at)
     VALUES ($1, 1, $2, $3, 1, '', '', '{}', '', 1, 'published', 'publish', now(), now())`,
    [id, collectionId, activeVersion],
  );
  let start = 0;
  for (const [ordinal, text] of texts.entries()) {
    await pool.query(
      `INSERT INTO citadel.chunk (document_id, generation, ordinal, version_id, point_id, text_hash, text, heading_path,
         page, char_start, char_end, tokens, state)
       VALUES ($1, 1, $2, $3, $4, $8, $5, '{}', NULL, $6, $7, 10, 'indexed')`,
      [
        id,
        ordinal,
        activeVersion,
        pointId(`${id} ${ordinal}`),
        text,
        start,
        start + text.length,
        hashText(text),
      ],
    );
    start += text.length;
  }
}

function pointId(name: string): string {
  const hex = createHash('sha1').update(name).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
