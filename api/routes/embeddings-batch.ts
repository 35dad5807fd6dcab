import type { RequestHandler } from 'express';
import { parseJsonObject } from '../../core/json-depth.ts';
import { parseRequest } from '../../core/parse-request.ts';
import { OrchestrateRequest } from '../../core/schemas/accepted-work.ts';
import { type JobRouteDeps, submitAs } from './orchestrate.ts';

/** Of the job; the rest is the request. */
const JOB_FIELDS = ['priority', 'deadline_ms', 'webhook', 'metadata'] as const;

/** POST /api/v1/embeddings/batch: the request for embeddings as a job, beside what POST /api/v1/orchestrate takes. */
export function embeddingsBatch(deps: JobRouteDeps): RequestHandler {
  return async (req, res) => {
    const body = parseJsonObject(req.body, { depthMax: deps.jsonDepthMax });
    const isOfJob = (name: string) => (JOB_FIELDS as readonly string[]).includes(name);
    const entries = Object.entries(body);
    const request = Object.fromEntries(entries.filter(([name]) => !isOfJob(name)));
    const job = Object.fromEntries(entries.filter(([name]) => isOfJob(name)));
    const wanted = parseRequest(OrchestrateRequest, { ...job, kind: 'embedding', request });
    await submitAs(deps, { req, res, wanted, body: JSON.stringify(request), part: null });
  };
}
