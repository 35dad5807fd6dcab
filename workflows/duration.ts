import { z } from 'zod';
import { AppError } from '../core/errors.ts';

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

const DURATION = /^(\d{1,12})(ms|s|m|h|d)$/;

/** Longer than any run is kept, and far below what a timer or an interval of Postgres can hold. */
export const DURATION_MAX_MS = 366 * UNIT_MS.d;

/**
 * The milliseconds of `'500ms' | '2s' | '5m' | '1h' | '2d'`. Throws AppError `invalid_request` for anything else,
 * and for more than 366 days.
 */
export function parseDuration(text: string): number {
  const [, digits, unit] = DURATION.exec(text) ?? [];
  if (digits === undefined || unit === undefined) {
    throw new AppError(
      'invalid_request',
      `A duration is a whole number with a unit, such as "500ms", "2s", "5m", "1h" or "2d"; not "${text.slice(0, 40)}".`,
    );
  }
  const durationMs = Number(digits) * UNIT_MS[unit as keyof typeof UNIT_MS];
  if (durationMs > DURATION_MAX_MS) {
    throw new AppError('invalid_request', `A duration is at most 366 days; "${text}" is longer.`);
  }
  return durationMs;
}

/** The text of a duration, as it stands in a definition. */
export const Duration = z.string().superRefine((text, context) => {
  try {
    parseDuration(text);
  } catch (error) {
    context.addIssue({ code: 'custom', message: error instanceof AppError ? error.message : String(error) });
  }
});
