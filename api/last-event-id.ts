import type { Request } from 'express';
import { AppError } from '../core/errors.ts';

/** The number of the last event that the client has seen; 0 for none. Throws AppError `invalid_request`. */
export function readLastEventId(req: Request): number {
  const text = req.get('last-event-id');
  if (text === undefined || text === '') return 0;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new AppError('invalid_request', "'Last-Event-ID' takes the id of an event, a whole number.", {
    param: 'Last-Event-ID',
  });
}
