import type { Request } from 'express';
import type { Authenticator } from '../access/authenticator.ts';
import { isLocalRequest } from '../access/loopback-guard.ts';
import { AppError } from '../core/errors.ts';

const SAFE_METHODS = new Set(['GET', 'HEAD']);
/** A page elsewhere cannot set it without being asked for its origin first. */
const PAGE_HEADER = 'x-citadel-page';

/** Without keys: only calls to and from this machine. Throws AppError `forbidden`. */
export function requireLocal({ required }: Authenticator, req: Request): void {
  if (required || isLocalRequest(req.headers.host, req.headers.origin)) return;
  throw new AppError('forbidden', 'Without API keys Citadel answers only calls to and from this machine.');
}

/** What a browser sends by itself is not enough: a change must come from the page, and nothing is told to another site.
 *  Throws AppError `forbidden`. */
export function requirePage(req: Request): void {
  const isSafe = SAFE_METHODS.has(req.method);
  if (isSafe ? !isForeign(req) : isOwn(req) && req.get(PAGE_HEADER) !== undefined) return;
  throw new AppError('forbidden', 'This is taken from the operator page itself only.');
}

function isForeign(req: Request): boolean {
  const site = req.headers['sec-fetch-site'];
  return site === 'cross-site' || site === 'same-site';
}

/** Browsers leave `Sec-Fetch-Site` out where the page came over plain HTTP from another machine. */
function isOwn(req: Request): boolean {
  const { origin, host } = req.headers;
  const site = req.headers['sec-fetch-site'];
  if (site !== undefined) return site === 'same-origin';
  return origin !== undefined && host !== undefined && URL.parse(origin)?.host === host.toLowerCase();
}
