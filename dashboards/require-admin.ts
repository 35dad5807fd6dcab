import type { RequestHandler } from 'express';
import type { Authenticator } from '../access/authenticator.ts';
import { isLocalRequest } from '../access/loopback-guard.ts';
import { AppError } from '../core/errors.ts';

const SAFE_METHODS = new Set(['GET', 'HEAD']);

/**
 * Lets admins in: by `Authorization: Bearer <key>`, or, for browsers, by HTTP Basic with the key as password. A browser
 * sends Basic credentials by itself, from other sites' pages too: what changes something must come from our own.
 */
export function requireAdmin(authenticator: Authenticator): RequestHandler {
  return (req, res, next) => {
    if (!authenticator.required && !isLocalRequest(req.headers.host, req.headers.origin)) {
      throw new AppError(
        'forbidden',
        'Without API keys Citadel answers only calls to and from this machine.',
      );
    }
    const principal = authenticator.identify(presentedKey(req.headers.authorization));
    if (!principal) {
      res.setHeader(
        'www-authenticate',
        'Basic realm="Citadel: any name, an admin key as password", charset="UTF-8"',
      );
      throw new AppError('invalid_api_key', 'The dashboards need a key with the role admin.');
    }
    if (principal.role !== 'admin')
      throw new AppError('forbidden', 'The dashboards need a key with the role admin.');
    if (!SAFE_METHODS.has(req.method) && req.headers['sec-fetch-site'] !== 'same-origin') {
      throw new AppError('forbidden', 'Changes are taken from the dashboard itself only.');
    }
    res.setHeader('cache-control', 'no-store');
    res.setHeader('x-content-type-options', 'nosniff');
    res.setHeader('content-security-policy', "frame-ancestors 'none'");
    next();
  };
}

function presentedKey(header: string | undefined): string | undefined {
  const [scheme, value] = header?.split(' ', 2) ?? [];
  if (value === undefined) return undefined;
  if (scheme?.toLowerCase() === 'bearer') return value;
  if (scheme?.toLowerCase() !== 'basic') return undefined;
  const [, ...password] = Buffer.from(value, 'base64').toString('utf8').split(':');
  return password.join(':');
}
