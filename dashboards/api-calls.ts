import type { RequestHandler } from 'express';
import type { Authenticator } from '../access/authenticator.ts';
import type { Sessions } from '../access/sessions.ts';
import { AppError } from '../core/errors.ts';
import { requireLocal, requirePage } from './same-origin.ts';
import { readSessionCookie } from './session-cookie.ts';

interface ApiCallsDeps {
  authenticator: Authenticator;
  sessions: Sessions;
}

const CALLS = '/dashboard/call';
const ROUTES = /^\/(?:v1|api\/v1|health|orchestration)\//;

/**
 * The page's calls of the API: `/dashboard/call/<route>` goes on as `<route>` with the session's key. So the API itself
 * never takes a cookie, and each call is held to what the key may do.
 */
export function createApiCalls({ authenticator, sessions }: ApiCallsDeps): RequestHandler {
  return (req, res, next) => {
    if (!req.url.startsWith(CALLS)) return next();
    const path = req.url.slice(CALLS.length);
    if (!ROUTES.test(path)) return next();
    requireLocal(authenticator, req);
    requirePage(req);
    if (authenticator.required) {
      const session = sessions.open(readSessionCookie(req) ?? '');
      if (!session) throw new AppError('invalid_api_key', 'Sign in to the operator page.');
      req.headers.authorization = `Bearer ${session.key}`;
    }
    res.setHeader('cache-control', 'no-store');
    res.setHeader('x-content-type-options', 'nosniff');
    req.url = path;
    next();
  };
}
