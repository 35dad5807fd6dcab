import type { Response } from 'express';
import { AppError } from '../core/errors.ts';
import type { RagCaller } from '../rag/require-collection.ts';
import { contextOf } from './request-context.ts';

/** Who asks, as collections know it. */
export function ragCallerOf(res: Response): RagCaller {
  const { keyName, weight, role } = contextOf(res).principal;
  return { keyName, weight, seesAll: role === 'admin' };
}

/** Aborts when the client leaves before its answer. */
export function untilClientLeaves(res: Response): AbortSignal {
  const left = new AbortController();
  res.once('close', () => {
    if (!res.writableFinished) left.abort(new AppError('client_closed', 'The client closed the connection.'));
  });
  return left.signal;
}
