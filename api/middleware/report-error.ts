import type { ErrorRequestHandler } from 'express';
import { AppError, toAppError } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import { sendError } from '../replies/error-reply.ts';
import { contextOf } from '../request-context.ts';

/** The last handler: every failure leaves in the one error shape. */
export function reportError(logger: Logger): ErrorRequestHandler {
  return (thrown, _req, res, _next) => {
    // Our own errors have a status too: it must not pass for the parser's.
    const error = thrown instanceof AppError ? thrown : (fromParser(thrown) ?? toAppError(thrown));
    if (error.code === 'internal') {
      logger.error('a request failed inside Citadel', { request: contextOf(res).requestId, error });
    }
    if (res.headersSent) {
      res.destroy();
      return;
    }
    sendError(res, error);
  };
}

/** The body parser's and the router's own errors, by the `type` or `status` they carry. */
function fromParser(thrown: unknown): AppError | null {
  const { type, status, limit } = thrown as { type?: string; status?: number; limit?: number };
  if (type === 'entity.too.large') {
    return new AppError('payload_too_large', `The body is larger than ${limit} bytes.`);
  }
  if (type === 'request.aborted') return new AppError('client_closed', 'The client closed the connection.');
  if (status === 415)
    return new AppError('unsupported_media_type', 'This charset or encoding is not supported.');
  if (thrown instanceof URIError) return new AppError('invalid_request', 'The path is not validly encoded.');
  if (status === 400)
    return new AppError('invalid_request', 'The body cannot be read as its headers describe it.');
  return null;
}
