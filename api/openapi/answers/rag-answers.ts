import { z } from 'zod';
import { AnyJson, Count, MaybeText, MaybeTime, Time } from './shared-answers.ts';

const ChunkSettings = z.object({ tokens: z.int(), overlap: z.int() });

export const Collection = z.object({
  id: z.string(),
  object: z.literal('rag.collection'),
  name: z.string(),
  embedding_model: MaybeText.describe('null: searched by words alone'),
  chunk: ChunkSettings,
  weights: z.strictObject({ lexical: z.number(), dense: z.number() }),
  shared: z.boolean(),
  metadata: AnyJson,
  document_count: Count,
  chunk_count: Count,
  reindex: z
    .object({
      embedding_model: MaybeText,
      chunk: ChunkSettings,
      documents: z.object({ ready: Count, failed: Count, total: Count }),
      failures: z
        .array(
          z.object({
            document_id: z.string(),
            external_id: z.string(),
            reason_code: MaybeText,
            error: MaybeText,
          }),
        )
        .describe(
          'the first 20 documents that it could not take in; while there are any, it is not switched to',
        ),
    })
    .nullable()
    .describe('an index that is built beside the one that is searched'),
  created_at: Time,
});

export const CollectionDeleted = z.object({
  id: z.string(),
  object: z.literal('rag.collection'),
  name: z.string(),
  deleted: z.literal(true),
});

const Stage = z.enum(['parse', 'chunk', 'embed', 'index', 'publish']).nullable();
const Progress = {
  stage: Stage,
  reason_code: MaybeText,
  error: MaybeText.describe('why it failed, or what it waits for'),
  waiting_on: MaybeText.describe('embedder_down, rate_limited, index_down or storage_full'),
};

export const RagDocument = z.object({
  id: z.string(),
  object: z.literal('rag.document'),
  external_id: z.string(),
  title: MaybeText,
  source: MaybeText,
  media_type: MaybeText,
  metadata: AnyJson,
  status: z.enum(['in_progress', 'completed', 'failed', 'cancelled']),
  ...Progress,
  searchable: z.boolean(),
  chunk_count: Count,
  created_at: Time,
  updated_at: Time,
});

const IngestItem = z.object({
  document_id: z.string(),
  external_id: z.string(),
  status: z.enum(['in_progress', 'completed', 'failed', 'cancelled', 'unchanged']),
  ...Progress,
  pages_done: Count,
  pages_total: Count.nullable(),
  chunks_total: Count,
  chunks_indexed: Count,
});

export const IngestJob = z.object({
  id: z.string().describe('ing_…'),
  object: z.literal('ingest.job'),
  status: z.enum(['in_progress', 'completed', 'failed', 'cancelled']),
  items: z.array(IngestItem),
  file_counts: z.object({
    total: Count,
    in_progress: Count,
    completed: Count,
    failed: Count,
    cancelled: Count,
    unchanged: Count,
  }),
  created_at: Time,
  ended_at: MaybeTime,
  links: z.object({ self: z.string(), events: z.string(), cancel: z.string() }),
});

export const SearchAnswer = z.object({
  mode: z.string().describe('how it was searched: lexical, dense or hybrid'),
  data: z.array(
    z.object({
      document_id: z.string(),
      external_id: z.string(),
      chunk_id: z.string(),
      score: z.number(),
      title: MaybeText,
      text: z.string(),
      heading_path: z.array(z.string()),
      page: z.int().nullable(),
      char_start: Count,
      char_end: Count,
      metadata: AnyJson,
    }),
  ),
});

export const Verification = z.object({
  checked: Count,
  missing: Count,
  orphans: Count,
  repaired: Count,
});

export const RagHealth = z.object({
  status: z.enum(['healthy', 'degraded', 'unhealthy']),
  index: z.object({
    kind: z.string(),
    status: z.enum(['healthy', 'unhealthy']),
    vectors: z.boolean().describe('whether it can search by meaning'),
  }),
  note: MaybeText,
});
