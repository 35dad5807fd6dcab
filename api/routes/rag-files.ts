import { createHash } from 'node:crypto';
import type { RequestHandler } from 'express';
import { AppError } from '../../core/errors.ts';
import { parseJsonObject } from '../../core/json-depth.ts';
import type { Json } from '../../core/json-value.ts';
import { parseRequest } from '../../core/parse-request.ts';
import { FilesIngest } from '../../core/schemas/rag.ts';
import type { BlobStore } from '../../rag/blob-store.ts';
import { type Idempotency, readIdempotency } from '../idempotency.ts';
import { type AcceptDocumentsDeps, acceptDocuments } from '../rag-acceptance.ts';
import { contextOf } from '../request-context.ts';
import { requireStaying } from '../require-staying.ts';
import { readUpload, type Upload } from '../uploads.ts';

export interface FilesRouteDeps extends AcceptDocumentsDeps {
  blobs: BlobStore;
  uploadBytesMax: number;
  jsonDepthMax: number;
}

/** POST /api/v1/rag/ingest/files: multipart, each file a document of its name. */
export function ingestFiles(deps: FilesRouteDeps): RequestHandler {
  return async (req, res) => {
    requireStaying(deps, contextOf(res).principal);
    const upload = await readUpload(req, deps.blobs, deps.uploadBytesMax);
    const { collection, metadata } = readFields(upload, deps.jsonDepthMax);
    if (upload.files.length === 0) {
      throw new AppError('invalid_request', 'The upload has no file.', { param: 'files' });
    }
    await acceptDocuments(deps, {
      res,
      collection,
      idempotency: ofUpload(readIdempotency(req), upload),
      webhook: undefined,
      documents: () =>
        upload.files.map(({ fileName, mediaType, blob }) => ({
          externalId: fileName,
          title: null,
          source: fileName,
          fileName,
          mediaType,
          metadata,
          content: { blobSha256: blob.sha256 },
        })),
    });
  };
}

function readFields({ fields }: Upload, depthMax: number): { collection: string; metadata: Json } {
  const { metadata: text, ...rest } = fields;
  const metadata = text === undefined ? {} : parseJsonObject(text, { depthMax });
  const parsed = parseRequest(FilesIngest, { ...rest, metadata });
  return { collection: parsed.collection, metadata: parsed.metadata as Json };
}

/** The key stands for these files, and not for how they were packed. */
function ofUpload(idempotency: Idempotency | null, { fields, files }: Upload): Idempotency | null {
  if (!idempotency) return null;
  const names = files.map(({ fileName, blob }) => [fileName, blob.sha256]);
  const about = JSON.stringify([idempotency.bodyHash, Object.entries(fields).sort(), names]);
  return { key: idempotency.key, bodyHash: createHash('sha256').update(about).digest('hex') };
}
