import { parseDuration } from './duration.ts';
import type { FailureClass, StepError, StepState } from './run-state.ts';
import type { Step } from './step.ts';

const RETRY_AFTER_MAX_MS = 3_600_000;
const DELAY_MAX_MS = 3_600_000;
const PUT_BACK_MIN_MS = 1_000;
const PUT_BACK_MAX_MS = 30_000;
/** A step whose workers are lost so often is taken to be what kills them. */
const LAPSES_MAX = 8;
const JITTER_SHARE = 0.25;

const FREE: readonly FailureClass[] = ['rate_limited', 'store', 'cancelled'];

/** Whether a failure of this class uses up one of the step's attempts. */
export const isCounted = (failure: FailureClass) => !FREE.includes(failure);

/** How long after this failure the step is tried again, `step` being as it failed; null: never. */
export function retryDelayMs(
  step: StepState,
  definition: Step,
  error: StepError,
  random: number,
): number | null {
  if (error.class === 'cancelled') return 0;
  if (!isCounted(error.class)) return putBackMs(step, error, random);
  const { retry } = definition;
  if (!retry || step.failures > retry.max || !isRetried(error.class, retry.on)) return null;
  const delayMs = parseDuration(retry.delay);
  const capMs =
    retry.max_delay === undefined ? Math.max(delayMs, DELAY_MAX_MS) : parseDuration(retry.max_delay);
  const factor = retry.backoff === 'fixed' ? 1 : 2 ** (step.failures - 1);
  return atLeast(error.retryAfterMs, Math.min(capMs, delayMs * factor), random);
}

/** The same for a step whose worker was lost. */
export const lapseDelayMs = (step: StepState) => (step.lapses > LAPSES_MAX ? null : 0);

function isRetried(failure: FailureClass, on: readonly FailureClass[] | undefined): boolean {
  return failure !== 'fatal' && (on === undefined || on.includes(failure));
}

/** Longer each time, since nothing else limits how often a step is put back. */
function putBackMs({ attempt, failures, lapses }: StepState, error: StepError, random: number): number {
  const earlier = Math.max(0, attempt - failures - lapses - 1);
  const delayMs = Math.min(PUT_BACK_MAX_MS, PUT_BACK_MIN_MS * 2 ** Math.min(earlier, 10));
  return atLeast(error.retryAfterMs, delayMs, random);
}

/** Jitter only adds: a delay that someone asked for is never cut short. */
function atLeast(retryAfterMs: number | undefined, delayMs: number, random: number): number {
  const longestMs = Math.max(delayMs, Math.min(retryAfterMs ?? 0, RETRY_AFTER_MAX_MS));
  return Math.round(longestMs * (1 + random * JITTER_SHARE));
}
