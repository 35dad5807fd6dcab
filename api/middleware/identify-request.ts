import type { RequestHandler } from 'express';
import { newRequestId } from '../../core/ids.ts';
import type { Logger } from '../../core/logger.ts';
import { setContext } from '../request-context.ts';

const CLIENT_ID_CHARS_MAX = 512;
const NOBODY = { keyName: null, role: 'user', weight: 1, limits: null } as const;

/** Gives each request its id, and logs how it ended: never its body, its headers or its query. */
export function identifyRequest(logger: Logger): RequestHandler {
  return (req, res, next) => {
    const requestId = newRequestId();
    const arrivedMs = performance.now();
    // Read now: a mounted app cuts its own part off.
    const { path } = req;
    setContext(res, { requestId, arrivedMs, arrivedAt: new Date(), principal: NOBODY });
    res.setHeader('x-request-id', requestId);
    res.on('close', () => {
      const fields = {
        request: requestId,
        clientRequest: req.get('x-client-request-id')?.slice(0, CLIENT_ID_CHARS_MAX),
        method: req.method,
        path,
        status: res.writableFinished ? res.statusCode : 499,
        ms: Math.round(performance.now() - arrivedMs),
      };
      logger.debug('request', fields);
    });
    next();
  };
}
