import type { RequestHandler } from 'express';
import { AppError } from '../../core/errors.ts';
import { contextOf } from '../request-context.ts';

/** Lets in admins alone, of those who have been let in. */
export const adminOnly: RequestHandler = (_req, res, next) => {
  if (contextOf(res).principal.role === 'admin') return next();
  throw new AppError('forbidden', 'This needs a key with the role admin.');
};
