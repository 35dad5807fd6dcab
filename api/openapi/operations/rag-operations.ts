import { z } from 'zod';
import {
  BatchIngest,
  CollectionChange,
  NewCollectionRequest,
  TextIngest,
  UrlIngest,
} from '../../../core/schemas/rag.ts';
import { QueryRequest } from '../../../rag/query-request.ts';
import { SearchRequest } from '../../../rag/search-request.ts';
import { PageQuery } from '../../list-page.ts';
import { IngestQuery } from '../../routes/rag-jobs.ts';
import { QueryAnswer } from '../answers/model-answers.ts';
import {
  Collection,
  CollectionDeleted,
  IngestJob,
  RagDocument,
  RagHealth,
  SearchAnswer,
  Verification,
} from '../answers/rag-answers.ts';
import { Deleted, listOf } from '../answers/shared-answers.ts';
import { answers, type Operation } from '../operation.ts';

const RAG = { tag: 'Documents', caller: 'user' } as const;
const NO_STORE = ['store_unavailable'] as const;

const COLLECTIONS: Operation[] = [
  {
    ...RAG,
    method: 'get',
    path: '/api/v1/rag/collections',
    id: 'listCollections',
    summary: 'Your collections, and those that others share',
    query: PageQuery,
    answers: answers('A page of them.', listOf(Collection)),
    errors: NO_STORE,
  },
  {
    ...RAG,
    method: 'post',
    path: '/api/v1/rag/collections',
    id: 'createCollection',
    summary: 'Makes a collection',
    body: NewCollectionRequest,
    answers: { 201: { description: 'The collection.', schema: Collection } },
    errors: ['conflict', 'store_unavailable'],
  },
  {
    ...RAG,
    method: 'get',
    path: '/api/v1/rag/collections/{name}',
    id: 'getCollection',
    summary: 'One collection',
    answers: answers('The collection.', Collection),
    errors: NO_STORE,
  },
  {
    ...RAG,
    method: 'patch',
    path: '/api/v1/rag/collections/{name}',
    id: 'changeCollection',
    summary: 'Changes a collection',
    description: 'With another model or chunking, an index is built beside the one that is searched.',
    body: CollectionChange,
    answers: answers('The collection.', Collection),
    errors: ['forbidden', 'store_unavailable'],
  },
  {
    ...RAG,
    method: 'delete',
    path: '/api/v1/rag/collections/{name}',
    id: 'removeCollection',
    summary: 'Removes a collection and its documents',
    answers: answers('It is gone.', CollectionDeleted),
    errors: ['forbidden', 'store_unavailable'],
  },
  {
    ...RAG,
    method: 'post',
    path: '/api/v1/rag/collections/{name}/rollback',
    id: 'rollBackCollection',
    summary: 'Goes back to the index before',
    answers: answers('The collection.', Collection),
    errors: ['conflict', 'forbidden', 'store_unavailable'],
  },
  {
    ...RAG,
    method: 'post',
    path: '/api/v1/rag/collections/{name}/switch',
    id: 'switchCollection',
    summary: 'Switches to the index that is built, without what failed',
    description:
      'By itself the index that is built is switched to once it has every document. Those that it could not take in are failed documents then, found no more until they are sent again, another index takes them, or the collection is rolled back.',
    answers: answers('The collection.', Collection),
    errors: ['conflict', 'forbidden', 'store_unavailable'],
  },
  {
    ...RAG,
    method: 'post',
    path: '/api/v1/rag/collections/{name}/verify',
    id: 'verifyCollection',
    summary: 'Holds the index against the rows, and mends both',
    answers: answers('What was found.', Verification),
    errors: NO_STORE,
  },
  {
    ...RAG,
    method: 'get',
    path: '/api/v1/rag/collections/{name}/documents',
    id: 'listDocuments',
    summary: 'The documents of a collection',
    query: PageQuery,
    answers: answers('A page of them.', listOf(RagDocument)),
    errors: NO_STORE,
  },
  {
    ...RAG,
    method: 'get',
    path: '/api/v1/rag/collections/{name}/documents/{id}',
    id: 'getDocument',
    summary: 'One document',
    answers: answers('The document.', RagDocument),
    errors: NO_STORE,
  },
  {
    ...RAG,
    method: 'delete',
    path: '/api/v1/rag/collections/{name}/documents/{id}',
    id: 'removeDocument',
    summary: 'Removes a document; no search finds it once this is answered',
    answers: answers('It is gone.', Deleted),
    errors: ['forbidden', 'store_unavailable'],
  },
];

const TAKEN = { 202: { description: 'The documents are in the store.', schema: IngestJob } };
const INGEST = {
  ...RAG,
  method: 'post',
  isIdempotent: true,
  answers: TAKEN,
  errors: [
    'not_found',
    'forbidden',
    'idempotency_mismatch',
    'rate_limit_exceeded',
    'overloaded',
    'store_unavailable',
  ],
} as const satisfies Partial<Operation>;

const Upload = z.object({
  collection: z.string(),
  metadata: z.string().optional().describe('a JSON object'),
  files: z.array(z.string().meta({ contentMediaType: 'application/octet-stream' })),
});

const INGESTS: Operation[] = [
  {
    ...INGEST,
    path: '/api/v1/rag/ingest/text',
    id: 'ingestText',
    summary: 'Takes in one text',
    body: TextIngest,
  },
  {
    ...INGEST,
    path: '/api/v1/rag/ingest/batch',
    id: 'ingestBatch',
    summary: 'Takes in many texts',
    description: 'As JSON, or a document a line with `?collection=`.',
    query: z.object({ collection: z.string().optional().describe('with lines') }),
    body: BatchIngest,
    otherBodies: { 'application/jsonl': null },
  },
  {
    ...INGEST,
    path: '/api/v1/rag/ingest/files',
    id: 'ingestFiles',
    summary: 'Takes in files',
    description: "A file's name is its external_id.",
    otherBodies: { 'multipart/form-data': Upload },
  },
  {
    ...INGEST,
    path: '/api/v1/rag/ingest/url',
    id: 'ingestUrl',
    summary: 'Takes in what an address answers',
    body: UrlIngest,
    errors: [...INGEST.errors, 'bad_backend'],
  },
  {
    ...RAG,
    method: 'get',
    path: '/api/v1/rag/ingest/jobs',
    id: 'listIngestJobs',
    summary: 'Ingests, newest first',
    query: PageQuery.extend(IngestQuery.shape),
    answers: answers('A page of them.', listOf(IngestJob.omit({ items: true }))),
    errors: NO_STORE,
  },
  {
    ...RAG,
    method: 'get',
    path: '/api/v1/rag/ingest/jobs/{id}',
    id: 'getIngestJob',
    summary: 'How far each document has come',
    answers: answers('The job.', IngestJob),
    errors: NO_STORE,
  },
  {
    ...RAG,
    method: 'get',
    path: '/api/v1/rag/ingest/jobs/{id}/events',
    id: 'followIngestJob',
    summary: "An ingest's events as they happen",
    isEventStream: true,
    answers: { 200: { description: 'Server-sent events.', media: 'text/event-stream' } },
    errors: NO_STORE,
  },
  {
    ...RAG,
    method: 'post',
    path: '/api/v1/rag/ingest/jobs/{id}/cancel',
    id: 'cancelIngestJob',
    summary: 'Ends what has not ended of it; versions before stay',
    answers: answers('The job.', IngestJob),
    errors: NO_STORE,
  },
];

export const RAG_OPERATIONS: Operation[] = [
  ...COLLECTIONS,
  ...INGESTS,
  {
    ...RAG,
    method: 'get',
    path: '/api/v1/rag/health',
    id: 'getRagHealth',
    summary: 'How the index of documents does',
    answers: {
      200: { description: 'It answers.', schema: RagHealth },
      503: { description: 'It is away.', schema: RagHealth },
    },
  },
  {
    ...RAG,
    method: 'post',
    path: '/api/v1/rag/search',
    id: 'searchDocuments',
    summary: 'Searches a collection',
    body: SearchRequest,
    answers: answers('What was found, the best first.', SearchAnswer),
    errors: ['not_found', 'rate_limit_exceeded', 'no_healthy_server', 'store_unavailable'],
  },
  {
    ...RAG,
    method: 'post',
    path: '/api/v1/rag/query',
    id: 'queryDocuments',
    summary: 'Has a model answer from a collection, with citations',
    isModelCall: true,
    isIdempotent: true,
    body: QueryRequest,
    answers: {
      200: {
        description: 'The answer; with `stream: true`, its events, the citations in one of their own.',
        schema: QueryAnswer,
        isStreamToo: true,
      },
    },
    errors: [
      'not_found',
      'idempotency_mismatch',
      'rate_limit_exceeded',
      'queue_full',
      'bad_backend',
      'no_healthy_server',
      'store_unavailable',
      'deadline_exceeded',
    ],
  },
];
