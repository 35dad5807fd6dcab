import type { RequestHandler } from 'express';
import { loadOnce } from '../../core/load-once.ts';
import { createStableReply } from '../replies/stable-reply.ts';

/** GET /openapi.json. It is made at the first request: most processes are never asked. */
export function openApi(version: string): RequestHandler {
  const reply = loadOnce(async () => {
    const { openApiDocument } = await import('../openapi/document.ts');
    return createStableReply('application/json; charset=utf-8', JSON.stringify(openApiDocument(version)));
  });
  return async (req, res) => (await reply()).send(req, res);
}
