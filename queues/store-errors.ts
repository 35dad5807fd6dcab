import { AppError } from '../core/errors.ts';
import { withinLimit } from '../core/time-limit.ts';

/** The queue's store did not do what it was asked; the cause is for the log. */
export function storeUnavailable(cause: unknown): AppError {
  if (cause instanceof AppError) return cause;
  return new AppError('store_unavailable', 'The queue is out of reach. Try again shortly.', {
    cause,
    retryAfterSeconds: 2,
  });
}

/** `work`, or `store_unavailable` when it throws or takes longer than `limitMs`. */
export async function withinStoreLimit<T>(work: Promise<T>, limitMs: number): Promise<T> {
  try {
    return await withinLimit(work, limitMs, 'no answer');
  } catch (error) {
    throw storeUnavailable(error);
  }
}

const AWAY =
  /^(connect |no connection within|Connection is closed|Command timed out|Stream isn't writeable|Reached the max retries|LOADING|MASTERDOWN|read ECONNRESET|getaddrinfo )/;

/** Whether a Redis could not be reached, or is not ready yet, as against one that refuses us. */
export function isRedisAway(error: unknown): boolean {
  const cause = error instanceof AppError && error.code === 'store_unavailable' ? error.cause : undefined;
  return cause instanceof Error && AWAY.test(cause.message);
}
