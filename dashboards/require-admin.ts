import type { Request, RequestHandler } from 'express';
import type { Authenticator, Principal } from '../access/authenticator.ts';
import type { Sessions } from '../access/sessions.ts';
import { contextOf } from '../api/request-context.ts';
import { AppError } from '../core/errors.ts';
import { readSessionCookie } from './session-cookie.ts';

interface AdminDeps {
  authenticator: Authenticator;
  sessions: Sessions;
}

const SAFE_METHODS = new Set(['GET', 'HEAD']);
const REALM = 'Basic realm="Citadel: any name, an admin key as password", charset="UTF-8"';

/**
 * Lets admins in: by the operator page's session, by `Authorization: Bearer <key>`, or by HTTP Basic with the key as
 * password. A browser sends cookies and Basic credentials by itself: what changes something must come from our own pages.
 */
export function requireAdmin(deps: AdminDeps): RequestHandler {
  return (req, res, next) => {
    const principal = identify(deps, req);
    if (!principal) {
      if (isNavigation(req)) return res.redirect('/dashboard');
      res.setHeader('www-authenticate', REALM);
      throw new AppError('invalid_api_key', 'The dashboards need a key with the role admin.');
    }
    if (principal.role !== 'admin')
      throw new AppError('forbidden', 'The dashboards need a key with the role admin.');
    if (!SAFE_METHODS.has(req.method) && req.headers['sec-fetch-site'] !== 'same-origin') {
      throw new AppError('forbidden', 'Changes are taken from the dashboard itself only.');
    }
    contextOf(res).principal = principal;
    res.setHeader('cache-control', 'no-store');
    next();
  };
}

function identify({ authenticator, sessions }: AdminDeps, req: Request): Principal | null {
  const { authorization } = req.headers;
  if (authorization !== undefined || !authenticator.required) {
    return authenticator.identify(presentedKey(authorization));
  }
  const token = readSessionCookie(req);
  if (token === undefined) return authenticator.identify(undefined);
  return sessions.open(token)?.principal ?? null;
}

/** A person who opens the address, and is to be asked for a key by the page. */
function isNavigation(req: Request): boolean {
  const isPage = req.method === 'GET' && req.headers['sec-fetch-mode'] === 'navigate';
  return isPage && req.headers.authorization === undefined;
}

function presentedKey(header: string | undefined): string | undefined {
  const [scheme, value] = header?.split(' ', 2) ?? [];
  if (value === undefined) return undefined;
  if (scheme?.toLowerCase() === 'bearer') return value;
  if (scheme?.toLowerCase() !== 'basic') return undefined;
  const [, ...password] = Buffer.from(value, 'base64').toString('utf8').split(':');
  return password.join(':');
}
