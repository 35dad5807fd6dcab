import type { RequestHandler } from 'express';
import { readTraceContext } from '../../core/trace-context.ts';
import type { Tracing } from '../../core/tracing.ts';
import { contextOf } from '../request-context.ts';

/** What is asked for all the time and says nothing. */
const QUIET = /^\/(metrics|health|dashboard|api\/v1\/health)(\/|$)/;

/** Makes each request a part of its caller's trace, or the beginning of one. */
export function traceRequest(tracing: Tracing): RequestHandler {
  return (req, res, next) => {
    const { path, method } = req;
    if (QUIET.test(path)) return next();
    const context = contextOf(res);
    const span = tracing.start(method, {
      kind: 'server',
      parent: readTraceContext(req.headers),
      attributes: { 'http.request.method': method, 'url.path': path, 'url.scheme': 'http' },
    });
    context.trace = span.context;
    res.on('close', () => {
      const status = res.writableFinished ? res.statusCode : 499;
      const route: unknown = req.route?.path;
      span.end({
        ...(typeof route === 'string' ? { name: `${method} ${route}` } : {}),
        attributes: {
          ...(typeof route === 'string' ? { 'http.route': route } : {}),
          'http.response.status_code': status,
          'citadel.request_id': context.requestId,
        },
        error: status >= 500 ? String(status) : undefined,
      });
    });
    next();
  };
}
