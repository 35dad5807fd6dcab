import type { RequestHandler } from 'express';
import type { ProcessReload } from '../../jobs/reply-bus.ts';
import { sendJson } from '../replies/json-reply.ts';

export interface ConfigRouteDeps {
  /** Has every process put in force what can change. Throws AppError `invalid_request` with every problem. */
  reloadConfig(): Promise<{ changed: string[]; needsRestart: string[]; others: ProcessReload[] }>;
}

/** POST /api/v1/config/reload: this process reads its configuration again, and then every other one its own. */
export function reload({ reloadConfig }: ConfigRouteDeps): RequestHandler {
  return async (_req, res) => {
    const { changed, needsRestart, others } = await reloadConfig();
    const answer = {
      object: 'config.reload',
      ...{ changed, needs_restart: needsRestart },
      others: others.map(({ needsRestart: needs_restart, ...rest }) => ({ ...rest, needs_restart })),
    };
    sendJson(res, 200, JSON.stringify(answer));
  };
}
