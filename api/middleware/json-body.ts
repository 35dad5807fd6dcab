import { type RequestHandler, text } from 'express';
import { AppError } from '../../core/errors.ts';

const JSON_TYPES = ['application/json', 'application/*+json'];

/** Reads the body as text (`req.body`), inflated and at most `bytesMax` long; what is not JSON by its type is 415. */
export function jsonBody(bytesMax: number): RequestHandler[] {
  return [text({ type: JSON_TYPES, limit: bytesMax, defaultCharset: 'utf-8' }), requireJson];
}

/** The same where a body may be left out. */
export function optionalJsonBody(bytesMax: number): RequestHandler[] {
  const [read, require] = jsonBody(bytesMax);
  if (!read || !require) return [];
  return [read, (req, res, next) => (hasBody(req.headers) ? require(req, res, next) : next())];
}

/** The same where a JSON value a line is welcome too. */
export function jsonOrLinesBody(bytesMax: number): RequestHandler[] {
  const types = [...JSON_TYPES, 'application/jsonl', 'application/x-ndjson', 'application/ndjson'];
  return [text({ type: types, limit: bytesMax, defaultCharset: 'utf-8' }), requireJson];
}

const requireJson: RequestHandler = (req, _res, next) => {
  if (typeof req.body === 'string') return next();
  if (req.is(JSON_TYPES) || !hasBody(req.headers)) {
    throw new AppError('invalid_request', 'The request has no body: send a JSON object.');
  }
  throw new AppError(
    'unsupported_media_type',
    'Send the body as JSON, with "Content-Type: application/json".',
  );
};

function hasBody(headers: { 'content-length'?: string; 'transfer-encoding'?: string }): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}
