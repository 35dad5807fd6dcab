import type { RequestHandler } from 'express';
import { sendJson } from '../replies/json-reply.ts';

export interface ConfigRouteDeps {
  /** Puts in force what can change. Throws AppError `invalid_request` with every problem. */
  reloadConfig(): { changed: string[]; needsRestart: string[] };
}

/** POST /api/v1/config/reload: this process reads its configuration again. */
export function reload({ reloadConfig }: ConfigRouteDeps): RequestHandler {
  return (_req, res) => {
    const { changed, needsRestart } = reloadConfig();
    sendJson(res, 200, JSON.stringify({ object: 'config.reload', changed, needs_restart: needsRestart }));
  };
}
