import type { IncomingMessage } from 'node:http';
import type { RequestHandler } from 'express';
import type { Authenticator } from '../../access/authenticator.ts';
import { isLocalRequest } from '../../access/loopback-guard.ts';
import { isLoopback } from '../../core/config.ts';
import { adminOnly } from './admin-only.ts';
import { authenticate } from './authenticate.ts';

/** Lets in programs and pages of this machine, without a key, and admins from anywhere. */
export function localOrAdmin(authenticator: Authenticator): RequestHandler {
  const byKey = authenticate(authenticator, []);
  return (req, res, next) => {
    if (isFromHere(req)) return next();
    byKey(req, res, (error) => (error ? next(error) : adminOnly(req, res, next)));
  };
}

/** What a proxy on this machine passes on comes from elsewhere. */
const FORWARDED = ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via'];

function isFromHere({ socket, headers }: IncomingMessage): boolean {
  const address = socket.remoteAddress?.replace(/^::ffff:/, '');
  if (address === undefined || !isLoopback(address)) return false;
  return !FORWARDED.some((name) => name in headers) && isLocalRequest(headers.host, headers.origin);
}
