import { AppError, ERRORS, type ErrorCode } from '../core/errors.ts';
import type { StepError } from '../workflows/run-state.ts';
import type { RunResult } from '../workflows/runs.ts';

/** The answer of a job that has succeeded. Throws what it failed with. */
export function requireAnswer(result: RunResult): RunResult {
  if (result.status === 'succeeded') return result;
  if (result.status === 'cancelled') {
    throw new AppError('conflict', 'The call with this Idempotency-Key was cancelled.');
  }
  throw toCallError(result.error).error;
}

/** A run's error as that of a request, and whether the same may succeed later. */
export function toCallError(error: StepError | null): { error: AppError; retry: 'later' | 'never' } {
  const { code = 'internal', message = 'The call failed.', retryAfterMs } = error ?? {};
  const retryAfterSeconds = retryAfterMs === undefined ? undefined : retryAfterMs / 1_000;
  if (code in ERRORS) {
    const { retry } = ERRORS[code as ErrorCode];
    return { error: new AppError(code as ErrorCode, message, { retryAfterSeconds }), retry };
  }
  const reported = { type: null, code };
  const isFinal = error?.class === 'fatal';
  return {
    error: new AppError(isFinal ? 'invalid_request' : 'bad_backend', message, {
      reported,
      retryAfterSeconds,
    }),
    retry: isFinal ? 'never' : 'later',
  };
}
