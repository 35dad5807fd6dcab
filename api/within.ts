import { AppError } from '../core/errors.ts';

/** Runs a check of a part of the body: what it says of a field is said of the field in that part. */
export async function within<T>(part: string, check: () => T | Promise<T>): Promise<T> {
  try {
    return await check();
  } catch (error) {
    throw inPart(part, error);
  }
}

function inPart(part: string, error: unknown): unknown {
  if (!(error instanceof AppError) || error.status >= 500 || error.param?.startsWith('$')) return error;
  const { code, message, retryAfterSeconds, cause } = error;
  const param = error.param === null ? part : `${part}.${error.param}`;
  return new AppError(code, message, { param, retryAfterSeconds, cause });
}
