import type { RequestHandler, Response } from 'express';
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
          'citadel.job_id': jobIdOf(res),
          'citadel.run_id': context.runId,
        },
        link: context.runId && tracing.rootOf(context.runId),
        error: status >= 500 ? String(status) : undefined,
      });
    });
    next();
  };
}

/** Of a call of a model: where it is accepted work, its run has a trace of its own. */
function jobIdOf(res: Response): string | undefined {
  const id = res.getHeader('x-citadel-job-id');
  return typeof id === 'string' ? id : undefined;
}
