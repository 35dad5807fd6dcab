import type { RequestHandler } from 'express';
import { newRequestId } from '../../core/ids.ts';
import type { Logger } from '../../core/logger.ts';
import type { HttpMetrics } from '../http-metrics.ts';
import { setContext } from '../request-context.ts';

const CLIENT_ID_CHARS_MAX = 512;
const NOBODY = { keyName: null, role: 'user', weight: 1, limits: null } as const;

/** Gives each request its id, logs how it ended (never its body, its headers or its query), and measures it. */
export function identifyRequest(logger: Logger, metrics: HttpMetrics): RequestHandler {
  return (req, res, next) => {
    const requestId = newRequestId();
    const arrivedMs = performance.now();
    // Read now: a mounted app cuts its own part off.
    const { path } = req;
    setContext(res, { requestId, arrivedMs, arrivedAt: new Date(), principal: NOBODY });
    res.setHeader('x-request-id', requestId);
    res.on('close', () => {
      const status = res.writableFinished ? res.statusCode : 499;
      const tookMs = performance.now() - arrivedMs;
      metrics.ended({ method: req.method, path, pattern: req.route?.path, status, tookMs });
      const fields = {
        request: requestId,
        clientRequest: req.get('x-client-request-id')?.slice(0, CLIENT_ID_CHARS_MAX),
        method: req.method,
        path,
        status,
        ms: Math.round(tookMs),
      };
      logger.debug('request', fields);
    });
    next();
  };
}
