// I1: a closed breaker lets every call through; an open one none, until its time is over.
// I2: then it is half-open: it lets through one call, the probe, and no other until that has ended or is overdue.
// I3: it opens after `failures` failures in a row by at least `callers` distinct callers; a passed call ends the row,
//     and so does a quiet time.
// I4: each opening that follows another without a passed call between them lasts twice as long, 1 s to 30 s.
// I5: the probe's first token lets the others in again; only a call that passed as a whole ends the doubling.

/** Whether calls are let through to something that has failed. Times are of a monotonic clock, in ms. */
export type Breaker =
  | Closed
  | { status: 'open'; untilMs: number; openMs: number }
  | { status: 'half-open'; sinceMs: number; openMs: number };

interface Closed {
  status: 'closed';
  failures: number;
  callers: readonly string[];
  failedMs: number;
  /** How long the next opening lasts. */
  openMs: number;
}

/** What opens a breaker. `callers: 0` asks for no distinct callers. */
export interface BreakerRule {
  failures: number;
  callers: number;
}

const OPEN_MS_MIN = 1_000;
const OPEN_MS_MAX = 30_000;
/** Failures further apart are of different rows. */
const ROW_GAP_MS_MAX = 30_000;
/** A probe that has not ended for so long is given up. */
const PROBE_MS_MAX = 120_000;

export const CLOSED: Closed = {
  status: 'closed',
  failures: 0,
  callers: [],
  failedMs: 0,
  openMs: OPEN_MS_MIN,
};

/** Whether a call may be made now. */
export function letsCall(breaker: Breaker, nowMs: number): boolean {
  return breaker.status === 'closed' || isProbeDue(breaker, nowMs);
}

/** Whether the next call would be the probe. */
export function isProbeDue(breaker: Breaker, nowMs: number): boolean {
  if (breaker.status === 'open') return nowMs >= breaker.untilMs;
  return breaker.status === 'half-open' && nowMs >= breaker.sinceMs + PROBE_MS_MAX;
}

/** A call is about to be made, which `letsCall` has allowed. */
export function startCall(breaker: Breaker, nowMs: number): Breaker {
  if (!isProbeDue(breaker, nowMs)) return breaker;
  return { status: 'half-open', sinceMs: nowMs, openMs: breaker.openMs };
}

/** The first token of the probe has come. */
export function answerProbe(breaker: Breaker): Breaker {
  if (breaker.status !== 'half-open') return breaker;
  return { ...CLOSED, openMs: doubled(breaker.openMs) };
}

/** The probe ended without showing anything: its caller left. The next call is the probe. */
export function leaveProbe(breaker: Breaker, nowMs: number): Breaker {
  if (breaker.status !== 'half-open') return breaker;
  return { status: 'open', untilMs: nowMs, openMs: breaker.openMs };
}

/** A call failed. Of those that were under way when the breaker opened, nothing more is learnt. */
export function failCall(
  breaker: Breaker,
  { caller, isProbe, nowMs }: { caller: string; isProbe: boolean; nowMs: number },
  rule: BreakerRule,
): Breaker {
  if (breaker.status === 'open') return breaker;
  if (breaker.status === 'half-open') return isProbe ? open(doubled(breaker.openMs), nowMs) : breaker;

  const row: Closed =
    nowMs - breaker.failedMs > ROW_GAP_MS_MAX ? { ...CLOSED, openMs: breaker.openMs } : breaker;
  const isNew = row.callers.length < rule.callers && !row.callers.includes(caller);
  const callers = isNew ? [...row.callers, caller] : row.callers;
  const failures = row.failures + 1;
  if (failures >= rule.failures && callers.length >= rule.callers) return open(row.openMs, nowMs);
  return { status: 'closed', failures, callers, failedMs: nowMs, openMs: row.openMs };
}

function open(openMs: number, nowMs: number): Breaker {
  return { status: 'open', untilMs: nowMs + openMs, openMs };
}

function doubled(openMs: number): number {
  return Math.min(2 * openMs, OPEN_MS_MAX);
}
