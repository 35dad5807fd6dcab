/** What happened came later than it must. */
export class LateError extends Error {}

const TRIES_MAX = 5;

/**
 * Runs the body of a test that promises a time, again when it was late: a machine that is busy with other things makes one
 * run late, a product that is too slow makes each. Whatever else fails, fails at once.
 */
export async function inTime(body: () => Promise<void>): Promise<void> {
  for (let triesLeft = TRIES_MAX - 1; ; triesLeft -= 1) {
    try {
      await body();
      return;
    } catch (error) {
      if (!(error instanceof LateError) || triesLeft === 0) throw error;
    }
  }
}

/** For use within `inTime`. */
export function expectWithin(limitMs: number, tookMs: number): void {
  if (tookMs >= limitMs)
    throw new LateError(`took ${Math.round(tookMs)} ms and may take less than ${limitMs}`);
}

/** The ms that `work` takes. */
export async function timeOf(work: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return performance.now() - startedMs;
}
