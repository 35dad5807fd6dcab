import type { RequestHandler } from 'express';

/** What a page may read of an answer beside its body. */
const EXPOSED = [
  'x-request-id',
  'retry-after',
  'location',
  'idempotent-replayed',
  'openai-processing-ms',
  ...['job-id', 'model', 'server', 'attempts', 'queue-ms'].map((name) => `x-citadel-${name}`),
  ...['limit', 'remaining', 'reset'].flatMap((what) =>
    ['requests', 'tokens'].map((of) => `x-ratelimit-${what}-${of}`),
  ),
].join(', ');

const METHODS = 'GET, POST, PUT, PATCH, DELETE';
const PREFLIGHT_SECONDS = 600;
/** Of the headers that a page asks for, the names that are taken. */
const HEADER_NAMES = /^[\w, -]{1,2000}$/;

/**
 * CORS: lets pages of exactly these origins call. Keys travel in a header that the page sets, never in cookies, so that
 * `Access-Control-Allow-Credentials` is never sent.
 */
export function allowOrigins(origins: readonly string[]): RequestHandler {
  const allowed = new Set(origins);
  return (req, res, next) => {
    if (allowed.size === 0) return next();
    res.vary('origin');
    const { origin } = req.headers;
    if (origin === undefined || !allowed.has(origin)) return next();
    res.setHeader('access-control-allow-origin', origin);
    if (req.method !== 'OPTIONS' || req.get('access-control-request-method') === undefined) {
      res.setHeader('access-control-expose-headers', EXPOSED);
      return next();
    }
    const asked = req.get('access-control-request-headers') ?? '';
    res.setHeader('access-control-allow-methods', METHODS);
    if (HEADER_NAMES.test(asked)) res.setHeader('access-control-allow-headers', asked);
    res.setHeader('access-control-max-age', PREFLIGHT_SECONDS);
    res.writeHead(204).end();
  };
}
