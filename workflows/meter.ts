import { AppError } from '../core/errors.ts';

/** What one evaluation may cost; shared by all expressions that are evaluated together. */
export interface Meter {
  /** Throws AppError `invalid_request` when the budget is used up, and from then on always. */
  spend(units: number): void;
  /** Ends the evaluation for good, whatever catches the error on its way. */
  fail(message: string): never;
  /** Why the evaluation was ended. */
  readonly failure: AppError | null;
}

/**
 * A unit is about 100 ns of the slowest operation that is charged for it. Measured on 25 November 2026, 2 cores of an
 * AMD EPYC shared with other load: 60 expressions made to be slow (most are in test/workflows/cel-limits.test.ts) end
 * after 20 to 50 ms in the median, whatever they work on.
 */
const BUDGET_UNITS = 250_000;

export function createMeter(subject = 'expression', budgetUnits = BUDGET_UNITS): Meter {
  let left = budgetUnits;
  let failure: AppError | null = null;

  return {
    spend(units) {
      left -= units;
      if (left >= 0 && failure === null) return;
      failure ??= new AppError(
        'invalid_request',
        `The ${subject} does more work than is allowed: fewer items, shorter texts or simpler patterns.`,
      );
      throw failure;
    },
    fail(message) {
      failure ??= new AppError('invalid_request', message);
      throw failure;
    },
    get failure() {
      return failure;
    },
  };
}
