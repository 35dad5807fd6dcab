import { z } from 'zod';
import { WebhookRequest } from './webhook.ts';

// The bodies of the routes of collections and documents.

const METADATA_CHARS_MAX = 16_384;
const TOKENS_MIN = 16;
const TOKENS_MAX = 8_192;
export const DOCUMENTS_MAX = 10_000;

const CollectionName = z
  .string()
  .regex(/^[\p{L}\p{N}][\p{L}\p{N} ._:-]{0,127}$/u, 'takes 1 to 128 letters, digits, blanks and . _ : -');

const Metadata = z
  .record(z.string(), z.unknown())
  .refine(
    (value) => JSON.stringify(value).length <= METADATA_CHARS_MAX,
    `takes at most ${METADATA_CHARS_MAX} characters of JSON`,
  );

const Chunk = z
  .strictObject({
    tokens: z.int().min(TOKENS_MIN).max(TOKENS_MAX).optional(),
    overlap: z.int().min(0).max(TOKENS_MAX).optional(),
  })
  .refine(
    ({ tokens, overlap }) => overlap === undefined || overlap < (tokens ?? TOKENS_MAX),
    "takes an 'overlap' smaller than 'tokens'",
  );

const Weight = z.number().min(0).max(100);

/** How much each list counts where a search fuses both. */
const Weights = z
  .strictObject({ lexical: Weight.default(1), dense: Weight.default(1) })
  .refine(({ lexical, dense }) => lexical + dense > 0, 'takes one weight above 0');

const ModelName = z.string().min(1).max(256);

/** The body of POST /api/v1/rag/collections. */
export const NewCollectionRequest = z.strictObject({
  name: CollectionName,
  embedding_model: ModelName.nullish(),
  chunk: Chunk.optional(),
  weights: Weights.optional(),
  metadata: Metadata.optional(),
  shared: z.boolean().optional(),
});

/** The body of PATCH /api/v1/rag/collections/{name}. */
export const CollectionChange = z
  .strictObject({
    embedding_model: ModelName.nullish(),
    chunk: Chunk.optional(),
    weights: Weights.optional(),
    metadata: Metadata.optional(),
    shared: z.boolean().optional(),
  })
  .refine((change) => Object.keys(change).length > 0, 'has nothing to change');

const ExternalId = z.string().min(1).max(1_024);
const DOCUMENT = {
  external_id: ExternalId.optional(),
  title: z.string().max(2_048).nullish(),
  metadata: Metadata.optional(),
} as const;

/** A document of a batch, or a line of JSONL. */
export const BatchDocument = z.strictObject({ ...DOCUMENT, text: z.string() });
export type BatchDocument = z.infer<typeof BatchDocument>;

const TARGET = { collection: z.string().min(1).max(256), webhook: WebhookRequest.optional() } as const;

/** The body of POST /api/v1/rag/ingest/text. */
export const TextIngest = z.strictObject({ ...TARGET, ...DOCUMENT, text: z.string() });

/** The body of POST /api/v1/rag/ingest/batch. */
export const BatchIngest = z.strictObject({
  ...TARGET,
  documents: z.array(BatchDocument).min(1).max(DOCUMENTS_MAX),
});

/** The body of POST /api/v1/rag/ingest/url. */
export const UrlIngest = z.strictObject({ ...TARGET, ...DOCUMENT, url: z.string().min(1).max(2_048) });

/** The fields beside the files of POST /api/v1/rag/ingest/files. */
export const FilesIngest = z.object({ collection: z.string().min(1).max(256), metadata: Metadata });
