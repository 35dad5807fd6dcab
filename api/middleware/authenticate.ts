import type { RequestHandler } from 'express';
import type { Authenticator } from '../../access/authenticator.ts';
import { isLocalRequest } from '../../access/loopback-guard.ts';
import { AppError } from '../../core/errors.ts';
import { contextOf } from '../request-context.ts';

/** Lets in who brings a key; without any key configured, who calls from this machine. */
export function authenticate(authenticator: Authenticator, corsOrigins: readonly string[]): RequestHandler {
  return (req, res, next) => {
    const { host, origin } = req.headers;
    // A page that the operator has named is as good as one of this machine.
    const foreignOrigin = origin !== undefined && corsOrigins.includes(origin) ? undefined : origin;
    if (!authenticator.required && !isLocalRequest(host, foreignOrigin)) {
      throw new AppError(
        'forbidden',
        'Without API keys Citadel answers only calls to and from this machine.',
      );
    }
    const principal = authenticator.identify(bearerKey(req.headers.authorization));
    if (!principal) {
      throw new AppError(
        'invalid_api_key',
        'Incorrect API key provided, or one that has expired or was revoked. Send it as "Authorization: Bearer <key>".',
      );
    }
    contextOf(res).principal = principal;
    next();
  };
}

function bearerKey(header: string | undefined): string | undefined {
  const [scheme, key] = header?.split(' ', 2) ?? [];
  return scheme?.toLowerCase() === 'bearer' ? key : undefined;
}
