import type { Express, RequestHandler } from 'express';
import { jsonBody, jsonOrLinesBody } from './middleware/json-body.ts';
import { route } from './route.ts';
import {
  type CollectionRouteDeps,
  changeCollection,
  createCollection,
  getCollection,
  listCollections,
  removeCollection,
  rollBackCollection,
  switchCollection,
} from './routes/rag-collections.ts';
import {
  type DocumentRouteDeps,
  getDocument,
  listDocuments,
  removeDocument,
} from './routes/rag-documents.ts';
import { type FilesRouteDeps, ingestFiles } from './routes/rag-files.ts';
import { type IngestRouteDeps, ingestBatch, ingestText, ingestUrl } from './routes/rag-ingest.ts';
import {
  cancelIngestJob,
  getIngestJob,
  type IngestJobRouteDeps,
  ingestJobEvents,
  listIngestJobs,
} from './routes/rag-jobs.ts';

export interface RagRouteDeps
  extends CollectionRouteDeps,
    DocumentRouteDeps,
    IngestRouteDeps,
    FilesRouteDeps,
    IngestJobRouteDeps {
  collections: CollectionRouteDeps['collections'];
  ingests: IngestJobRouteDeps['ingests'];
  blobs: FilesRouteDeps['blobs'];
  keyRing: IngestRouteDeps['keyRing'] & IngestJobRouteDeps['keyRing'];
  ingestBytesMax: number;
}

/** The routes of collections, their documents, and how these come in. */
export function addRagRoutes(app: Express, deps: RagRouteDeps, body: RequestHandler[]): void {
  const collections = '/api/v1/rag/collections';
  route(app, collections, { get: [listCollections(deps)], post: [...body, createCollection(deps)] });
  route(app, `${collections}/:name`, {
    get: [getCollection(deps)],
    patch: [...body, changeCollection(deps)],
    delete: [removeCollection(deps)],
  });
  route(app, `${collections}/:name/rollback`, { post: [rollBackCollection(deps)] });
  route(app, `${collections}/:name/switch`, { post: [switchCollection(deps)] });
  route(app, `${collections}/:name/documents`, { get: [listDocuments(deps)] });
  route(app, `${collections}/:name/documents/:id`, {
    get: [getDocument(deps)],
    delete: [removeDocument(deps)],
  });

  const ingest = '/api/v1/rag/ingest';
  route(app, `${ingest}/text`, { post: [...jsonBody(deps.ingestBytesMax), ingestText(deps)] });
  route(app, `${ingest}/batch`, { post: [...jsonOrLinesBody(deps.ingestBytesMax), ingestBatch(deps)] });
  route(app, `${ingest}/files`, { post: [ingestFiles(deps)] });
  route(app, `${ingest}/url`, { post: [...body, ingestUrl(deps)] });
  route(app, `${ingest}/jobs`, { get: [listIngestJobs(deps)] });
  route(app, `${ingest}/jobs/:id`, { get: [getIngestJob(deps)] });
  route(app, `${ingest}/jobs/:id/events`, { get: [ingestJobEvents(deps)] });
  route(app, `${ingest}/jobs/:id/cancel`, { post: [cancelIngestJob(deps)] });
}
