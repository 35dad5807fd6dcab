import type { RequestHandler } from 'express';
import type { Authenticator } from '../access/authenticator.ts';
import type { Sessions } from '../access/sessions.ts';
import { AppError } from '../core/errors.ts';
import { fromPage, requireLocal } from './same-origin.ts';
import { readSessionCookie } from './session-cookie.ts';

interface ApiCallsDeps {
  authenticator: Authenticator;
  sessions: Sessions;
}

const CALL = /^\/dashboard\/call(\/(?:v1|api\/v1|health|orchestration)\/.*)$/;

/**
 * The page's calls of the API: `/dashboard/call/<route>` goes on as `<route>` with the session's key. So the API itself
 * never takes a cookie, and each call is held to what the key may do.
 */
export function createApiCalls({ authenticator, sessions }: ApiCallsDeps): RequestHandler[] {
  const isCall = (url: string) => CALL.test(url);
  const local = requireLocal(authenticator);
  return [
    (req, res, next) => (isCall(req.url) ? local(req, res, next) : next()),
    (req, res, next) => (isCall(req.url) ? fromPage(req, res, next) : next()),
    (req, res, next) => {
      const [, path] = CALL.exec(req.url) ?? [];
      if (path === undefined) return next();
      if (authenticator.required) {
        const session = sessions.open(readSessionCookie(req) ?? '');
        if (!session) throw new AppError('invalid_api_key', 'Sign in to the operator page.');
        req.headers.authorization = `Bearer ${session.key}`;
      }
      res.setHeader('cache-control', 'no-store');
      res.setHeader('x-content-type-options', 'nosniff');
      req.url = path;
      next();
    },
  ];
}
