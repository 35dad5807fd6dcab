import type { RequestHandler } from 'express';
import { z } from 'zod';
import { estimateTokens } from '../../access/token-estimate.ts';
import { AppError } from '../../core/errors.ts';
import { parseJsonObject } from '../../core/json-depth.ts';
import { parseRequest } from '../../core/parse-request.ts';
import type { Embedder } from '../../rag/embedder.ts';
import { findModel, type ModelCallDeps } from '../model-call.ts';
import { untilClientLeaves } from '../rag-caller.ts';
import { sendJson } from '../replies/json-reply.ts';
import { contextOf } from '../request-context.ts';
import { requireStaying } from '../require-staying.ts';

export interface SimilarityDeps extends ModelCallDeps {
  embedder: Embedder;
}

const OTHERS_MAX = 2_047;
const Text = z.string().min(1);
export const SimilarityRequest = z.strictObject({
  model: z.string().min(1).max(256),
  a: Text,
  b: z.array(Text).min(1).max(OTHERS_MAX),
});

/** POST /api/v1/embeddings/similarity: the cosine of `a` with each of `b`, in their order. */
export function embeddingsSimilarity(deps: SimilarityDeps): RequestHandler {
  return async (req, res) => {
    const { principal } = contextOf(res);
    requireStaying(deps, principal);
    const body = parseJsonObject(req.body, { depthMax: deps.jsonDepthMax });
    const { model, a, b } = parseRequest(SimilarityRequest, body);
    const { name, names } = findModel(deps, model, { needsServer: true });
    const texts = [a, ...b];
    const left = untilClientLeaves(res);
    const limit = AbortSignal.timeout(deps.totalMs);
    const estimate = () => estimateTokens({ input: texts });
    const pass = await deps.keyGate.enter(principal, {
      models: names,
      estimate,
      setHeader: (header, value) => res.setHeader(header, value),
    });
    try {
      const { keyName, weight } = principal;
      const asked = { model, texts, keyName, weight, isBackground: false };
      const [first, ...others] = await deps.embedder.embed(asked, AbortSignal.any([left, limit]));
      pass?.settle(estimate().prompt);
      const scores = others.map((other) => (first ? cosine(first, other) : 0));
      sendJson(res, 200, JSON.stringify({ object: 'similarity', model: name, scores }));
    } catch (error) {
      pass?.cancel();
      if (left.aborted) return;
      if (!limit.aborted) throw error;
      throw new AppError('deadline_exceeded', `The model has not answered within ${deps.totalMs} ms.`);
    }
  };
}

function cosine(a: Float32Array, b: Float32Array): number {
  let product = 0;
  for (let index = 0; index < a.length; index += 1) product += (a[index] ?? 0) * (b[index] ?? 0);
  return product / (Math.hypot(...a) * Math.hypot(...b));
}
