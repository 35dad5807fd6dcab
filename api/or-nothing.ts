import { toAppError } from '../core/errors.ts';

/** A store that is away keeps the reader waiting, and no more. */
export async function orNothing<T>(reading: Promise<T>, nothing: T): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    if (toAppError(error).code === 'store_unavailable') return nothing;
    throw error;
  }
}
