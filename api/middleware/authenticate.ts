import type { RequestHandler } from 'express';
import type { Authenticator } from '../../access/authenticator.ts';
import { isLocalRequest } from '../../access/loopback-guard.ts';
import { AppError } from '../../core/errors.ts';
import { contextOf } from '../request-context.ts';

/** Lets in who brings a key; without any key configured, who calls from this machine. */
export function authenticate(authenticator: Authenticator): RequestHandler {
  return (req, res, next) => {
    if (!authenticator.required && !isLocalRequest(req.headers.host, req.headers.origin)) {
      throw new AppError(
        'forbidden',
        'Without API keys Citadel answers only calls to and from this machine.',
      );
    }
    const principal = authenticator.identify(bearerKey(req.headers.authorization));
    if (!principal) {
      throw new AppError(
        'invalid_api_key',
        'Incorrect API key provided. Send it as "Authorization: Bearer <key>".',
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
