import type { Request, RequestHandler, Response } from 'express';
import { AppError } from '../../core/errors.ts';
import type { CollectionStore } from '../../rag/collection.ts';
import type { DocumentStore } from '../../rag/document.ts';
import { requireCollection } from '../../rag/require-collection.ts';
import { parsePage, toListPage } from '../list-page.ts';
import { requireOwnCollection } from '../rag-access.ts';
import { ragCallerOf } from '../rag-caller.ts';
import { toDocumentView } from '../rag-view.ts';
import { sendJson } from '../replies/json-reply.ts';

export interface DocumentRouteDeps {
  collections: Pick<CollectionStore, 'byName'>;
  documents: DocumentStore;
}

/** GET /api/v1/rag/collections/{name}/documents */
export function listDocuments({ collections, documents }: DocumentRouteDeps): RequestHandler {
  return async (req, res) => {
    const { limit, after } = parsePage(req.query);
    const collection = await requireCollection(collections, String(req.params.name), ragCallerOf(res));
    const found = await documents.list(collection.id, { limit, after });
    sendJson(res, 200, JSON.stringify(toListPage(found.map(toDocumentView), limit)));
  };
}

/** GET /api/v1/rag/collections/{name}/documents/{id} */
export function getDocument({ collections, documents }: DocumentRouteDeps): RequestHandler {
  return async (req, res) => {
    const collection = await requireCollection(collections, String(req.params.name), ragCallerOf(res));
    const found = await documents.get(collection.id, String(req.params.id));
    if (!found) throw noDocument(req);
    sendJson(res, 200, JSON.stringify(toDocumentView(found)));
  };
}

/** DELETE /api/v1/rag/collections/{name}/documents/{id}: gone from searches when this is answered. */
export function removeDocument({ collections, documents }: DocumentRouteDeps): RequestHandler {
  return async (req: Request, res: Response) => {
    const collection = await requireOwnCollection(collections, String(req.params.name), res);
    const id = String(req.params.id);
    if (!(await documents.remove(collection.id, id))) throw noDocument(req);
    sendJson(res, 200, JSON.stringify({ id, object: 'rag.document', deleted: true }));
  };
}

const noDocument = (req: Request) =>
  new AppError(
    'not_found',
    `There is no document \`${String(req.params.id).slice(0, 64)}\` in this collection.`,
  );
