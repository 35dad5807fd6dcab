import type { Response } from 'express';
import { type AppError, ERRORS, toErrorBody } from '../../core/errors.ts';
import { sendJson } from './json-reply.ts';

const RETRY_AFTER_SECONDS_MAX = 60;

/** Answers with `error` in the one shape; a 429 or 503 says when to try again. */
export function sendError(res: Response, error: AppError): void {
  const { status } = ERRORS[error.code];
  if (status === 429 || status === 503) {
    const seconds = Math.ceil(error.retryAfterSeconds ?? 1);
    res.setHeader('retry-after', Math.min(Math.max(seconds, 1), RETRY_AFTER_SECONDS_MAX));
  }
  sendJson(res, status, JSON.stringify(toErrorBody(error)));
}
