import { createHash } from 'node:crypto';
import type { Request, Response } from 'express';
import { AppError } from '../core/errors.ts';

export interface Idempotency {
  key: string;
  /** Of the request that it stands for. */
  bodyHash: string;
}

const KEY_CHARS_MAX = 255;

/** What the caller's `Idempotency-Key` stands for: this body at this path; null without one. Throws AppError
 *  `invalid_request`. */
export function readIdempotency(req: Request): Idempotency | null {
  const key = req.get('idempotency-key');
  if (key === undefined) return null;
  if (key.length < 1 || key.length > KEY_CHARS_MAX) {
    throw new AppError('invalid_request', `'Idempotency-Key' takes 1 to ${KEY_CHARS_MAX} characters.`, {
      param: 'Idempotency-Key',
    });
  }
  const request = `${req.method} ${req.baseUrl}${req.path}\n${req.body ?? ''}`;
  return { key, bodyHash: createHash('sha256').update(request).digest('hex') };
}

/** Says that the answer is that of an earlier request with the same key. */
export function markReplayed(res: Response, replayed: boolean): void {
  if (replayed) res.setHeader('idempotent-replayed', 'true');
}
