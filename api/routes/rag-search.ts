import type { RequestHandler } from 'express';
import type { KeyGate } from '../../access/key-gate.ts';
import type { KeyRing } from '../../access/key-ring.ts';
import { parseJsonObject } from '../../core/json-depth.ts';
import { parseRequest } from '../../core/parse-request.ts';
import { SearchRequest } from '../../rag/search-request.ts';
import type { SearchService } from '../../rag/search-service.ts';
import { toSearchView } from '../../rag/search-view.ts';
import { ragCallerOf, untilClientLeaves } from '../rag-caller.ts';
import { sendJson } from '../replies/json-reply.ts';
import { contextOf } from '../request-context.ts';
import { requireStaying } from '../require-staying.ts';

export interface RagSearchDeps {
  search: SearchService;
  keyGate: Pick<KeyGate, 'enter'>;
  keyRing: Pick<KeyRing, 'isRevoked'>;
  isLeaving(): boolean;
  jsonDepthMax: number;
}

/** POST /api/v1/rag/search */
export function ragSearch(deps: RagSearchDeps): RequestHandler {
  return async (req, res) => {
    const { principal } = contextOf(res);
    requireStaying(deps, principal);
    const request = parseRequest(SearchRequest, parseJsonObject(req.body, { depthMax: deps.jsonDepthMax }));
    const signal = untilClientLeaves(res);
    const pass = await deps.keyGate.enter(principal, {
      // The collection's own, of which its owner decided.
      models: null,
      estimate: noTokens,
      setHeader: (name, value) => res.setHeader(name, value),
    });
    try {
      const answer = await deps.search.search(request, ragCallerOf(res), signal);
      pass?.settle(0);
      sendJson(res, 200, JSON.stringify(toSearchView(answer)));
    } catch (error) {
      pass?.cancel();
      if (!signal.aborted) throw error;
    }
  };
}

const noTokens = () => ({ prompt: 0, completion: 0 });
