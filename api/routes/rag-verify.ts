import type { RequestHandler } from 'express';
import type { CollectionStore } from '../../rag/collection.ts';
import type { IndexVerifier } from '../../rag/index-verifier.ts';
import { requireCollection } from '../../rag/require-collection.ts';
import { ragCallerOf, untilClientLeaves } from '../rag-caller.ts';
import { sendJson } from '../replies/json-reply.ts';

export interface RagVerifyDeps {
  collections: Pick<CollectionStore, 'byName'>;
  verifier: IndexVerifier;
}

/** POST /api/v1/rag/collections/{name}/verify */
export function ragVerify({ collections, verifier }: RagVerifyDeps): RequestHandler {
  return async (req, res) => {
    const signal = untilClientLeaves(res);
    const caller = ragCallerOf(res);
    const collection = await requireCollection(collections, String(req.params.name), caller);
    try {
      sendJson(res, 200, JSON.stringify(await verifier.verify(collection, signal)));
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  };
}
