import { Readable } from 'node:stream';
import type { RequestHandler } from 'express';
import { AppError } from '../../core/errors.ts';
import { parseJson, parseJsonObject } from '../../core/json-depth.ts';
import type { Json } from '../../core/json-value.ts';
import { parseRequest } from '../../core/parse-request.ts';
import { BatchDocument, BatchIngest, DOCUMENTS_MAX, TextIngest, UrlIngest } from '../../core/schemas/rag.ts';
import type { BlobStore } from '../../rag/blob-store.ts';
import { toOfferedText } from '../../rag/offered-text.ts';
import type { PageFetch } from '../../rag/page-fetch.ts';
import { readIdempotency } from '../idempotency.ts';
import { type AcceptDocumentsDeps, acceptDocuments } from '../rag-acceptance.ts';
import { untilClientLeaves } from '../rag-caller.ts';
import { toFileName } from '../uploads.ts';

export interface IngestRouteDeps extends AcceptDocumentsDeps {
  jsonDepthMax: number;
  pages: PageFetch;
  blobs: Pick<BlobStore, 'write'>;
}

/** POST /api/v1/rag/ingest/text */
export function ingestText(deps: IngestRouteDeps): RequestHandler {
  return async (req, res) => {
    const idempotency = readIdempotency(req);
    const wanted = parseRequest(TextIngest, parseJsonObject(req.body, { depthMax: deps.jsonDepthMax }));
    const { collection, webhook } = wanted;
    await acceptDocuments(deps, {
      res,
      collection,
      idempotency,
      webhook,
      documents: () => [toOfferedText(wanted)],
    });
  };
}

/** POST /api/v1/rag/ingest/batch: JSON, or a document a line with `?collection=`. */
export function ingestBatch(deps: IngestRouteDeps): RequestHandler {
  return async (req, res) => {
    const idempotency = readIdempotency(req);
    const isLines = !req.is(['json', '+json']);
    const wanted = isLines
      ? { collection: collectionOf(req.query), documents: parseLines(req.body, deps.jsonDepthMax) }
      : parseRequest(BatchIngest, parseJsonObject(req.body, { depthMax: deps.jsonDepthMax }));
    const { collection, documents } = wanted;
    const webhook = 'webhook' in wanted ? wanted.webhook : undefined;
    await acceptDocuments(deps, {
      ...{ res, collection, idempotency, webhook },
      documents: () => documents.map(toOfferedText),
    });
  };
}

/** POST /api/v1/rag/ingest/url */
export function ingestUrl(deps: IngestRouteDeps): RequestHandler {
  return async (req, res) => {
    const idempotency = readIdempotency(req);
    const wanted = parseRequest(UrlIngest, parseJsonObject(req.body, { depthMax: deps.jsonDepthMax }));
    const { collection, webhook } = wanted;
    await acceptDocuments(deps, {
      ...{ res, collection, idempotency, webhook },
      async documents() {
        const page = await deps.pages.fetch(wanted.url, untilClientLeaves(res));
        const blob = await deps.blobs.write(Readable.from([page.bytes]), page.bytes.length);
        const externalId = wanted.external_id ?? normalUrl(wanted.url);
        return [
          {
            externalId,
            title: wanted.title ?? null,
            source: page.url,
            fileName: toFileName(new URL(page.url).pathname),
            mediaType: page.mediaType,
            metadata: (wanted.metadata ?? {}) as Json,
            content: { blobSha256: blob.sha256 },
          },
        ];
      },
    });
  };
}

function collectionOf({ collection }: Record<string, unknown>): string {
  if (typeof collection === 'string' && collection !== '') return collection;
  throw new AppError('invalid_request', "Say which collection: '?collection='.", { param: 'collection' });
}

function parseLines(text: string, depthMax: number): BatchDocument[] {
  const documents: BatchDocument[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    if (documents.length >= DOCUMENTS_MAX) {
      throw new AppError('invalid_request', `A batch takes at most ${DOCUMENTS_MAX} documents.`);
    }
    documents.push(parseLine(line, { number: index + 1, depthMax }));
  }
  if (documents.length > 0) return documents;
  throw new AppError('invalid_request', 'The batch has no document: send one JSON object a line.');
}

function parseLine(line: string, { number, depthMax }: { number: number; depthMax: number }): BatchDocument {
  try {
    return parseRequest(BatchDocument, parseJson(line, { depthMax }));
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    throw new AppError(error.code, `Line ${number}: ${error.message}`, { param: error.param });
  }
}

/** As it names the page: without its fragment. */
function normalUrl(text: string): string {
  const url = URL.parse(text);
  if (!url) return text;
  url.hash = '';
  return url.href;
}
