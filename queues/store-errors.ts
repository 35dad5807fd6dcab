import { AppError } from '../core/errors.ts';

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
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${limitMs} ms`)), limitMs);
  });
  try {
    return await Promise.race([work, limit]);
  } catch (error) {
    throw storeUnavailable(error);
  } finally {
    clearTimeout(timer);
  }
}
