import type { BackendFailure } from '../core/backend-failure.ts';

/**
 * What a failed call says of its server.
 * - `connection`: it could not be reached, whatever the call was.
 * - `answer`: it failed on this call, and the call may be the reason.
 * - `rate-limit`: it wants no more calls for now.
 * - `doubt`: what is known of it may be wrong, such as its list of models.
 * - `none`: nothing; the call was at fault, or our key.
 */
export type Blame = 'connection' | 'answer' | 'rate-limit' | 'doubt' | 'none';

const BY_STATUS: Record<number, Blame> = { 404: 'doubt', 408: 'answer', 429: 'rate-limit' };

export function blameFor({ kind, status, reached }: BackendFailure): Blame {
  if (!reached) return 'connection';
  if (status === undefined) return kind === 'too_large' ? 'none' : 'answer';
  return BY_STATUS[status] ?? (status >= 400 && status < 500 ? 'none' : 'answer');
}
