import type { RequestHandler } from 'express';
import { AppError, toAppError } from '../../core/errors.ts';
import type { QueueSystem } from '../../jobs/queue-system.ts';
import { sendError } from '../replies/error-reply.ts';
import { sendJson } from '../replies/json-reply.ts';

const OK = JSON.stringify({ status: 'ok' });

/** GET /api/v1/health/live and GET /health: the process answers. Touches no store. */
export const live: RequestHandler = (_req, res) => sendJson(res, 200, OK);

/** GET /api/v1/health/ready: requests can be taken now. */
export function ready(queues: Pick<QueueSystem, 'ping'>, isLeaving: () => boolean): RequestHandler {
  return async (_req, res) => {
    try {
      if (isLeaving()) throw new AppError('overloaded', 'Citadel is shutting down.');
      await queues.ping();
      sendJson(res, 200, JSON.stringify({ status: 'ready' }));
    } catch (error) {
      sendError(res, toAppError(error));
    }
  };
}
