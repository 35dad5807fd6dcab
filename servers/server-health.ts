// What is known of one server's health, and how checks and calls change it. Pure: times (monotonic, in ms) are
// arguments, and a change that changes nothing gives back the same value.
//
// Checks:
// H1: `unknown` until the first check. Passed, it makes the server healthy; failed, unhealthy at once, since nothing
//     speaks for a server that never answered.
// H2: `unhealthyAfter` failed checks in a row make a server unhealthy; fewer make it degraded.
// H3: an unhealthy server is degraded from its first passed check on, and healthy after `healthyAfter` in a row. Until
//     then one failed check makes it unhealthy again, so that a flapping server is no more than a last resort.
// H4: a degraded server that was not unhealthy is healthy after as many.
// Calls:
// H5: a failure to connect opens the server's breaker at once, whoever called. A passed check closes it, and so does
//     any answer, an error too.
// H6: a failure that the call may have caused (5xx, malformed, no token in time, cut, reset) counts against the model
//     on this server: five in a row, by two callers at least. One caller's input cannot take a server from the others, nor one broken
//     model from the models beside it. A passed check says nothing of it; a call's first token does (breaker.ts, I5).
// H7: after a 429 the model gets no call here for as long as the server said, at most 60 s.
// H8: a server is suspicious while it is not healthy, while a breaker is not closed, and from any failure until its
//     next passed check.
// H9: after an answer that broke off in its middle, streams had rather go elsewhere, since their callers would see it
//     happen again: for 10 s, or until a call has passed as a whole. Until then a first token shows nothing.
import type { BackendFailure } from '../core/backend-failure.ts';
import * as breakers from './breaker.ts';
import { blameFor } from './call-failure.ts';

export interface ServerHealth {
  readonly checks: Checks;
  readonly connection: breakers.Breaker;
  /** By model; one without trouble has none. */
  readonly answers: ReadonlyMap<string, breakers.Breaker>;
  /** Until when a model gets no call, by model. */
  readonly coolUntilMs: ReadonlyMap<string, number>;
  /** Until when streams had rather go elsewhere, by model. */
  readonly brokenUntilMs: ReadonlyMap<string, number>;
  /** Something was seen that a check should look into. */
  readonly isSuspect: boolean;
}

interface Checks {
  readonly state: 'unknown' | 'healthy' | 'degraded' | 'unhealthy';
  /** Whether it has been unhealthy since it was last healthy. */
  readonly wasUnhealthy: boolean;
  /** In a row. */
  readonly failures: number;
  readonly successes: number;
}

export interface HealthRules {
  unhealthyAfter: number;
  healthyAfter: number;
}

/** How a call ended. `left`: it was given up, which says nothing of the server. */
export type CallEnd =
  | { status: 'passed' }
  | { status: 'left' }
  | { status: 'failed'; failure: BackendFailure; caller: string };

const CONNECTION_RULE: breakers.BreakerRule = { failures: 1, callers: 0 };
const ANSWER_RULE: breakers.BreakerRule = { failures: 5, callers: 2 };
const COOL_MS_DEFAULT = 1_000;
const COOL_MS_MAX = 60_000;
const BROKEN_MS = 10_000;

export const UNKNOWN_HEALTH: ServerHealth = {
  checks: { state: 'unknown', wasUnhealthy: false, failures: 0, successes: 0 },
  connection: breakers.CLOSED,
  answers: new Map(),
  coolUntilMs: new Map(),
  brokenUntilMs: new Map(),
  isSuspect: false,
};

/** What its operators see. */
export function stateOf(health: ServerHealth): Checks['state'] {
  const { checks, connection, answers } = health;
  if (checks.state === 'unhealthy') return 'unhealthy';
  const isOpen = connection.status !== 'closed' || hasOpen(answers);
  return isOpen ? 'degraded' : checks.state;
}

export function isSuspicious({ checks, connection, answers, isSuspect }: ServerHealth): boolean {
  const isTrusted = checks.state === 'healthy' || checks.state === 'unknown';
  return isSuspect || !isTrusted || connection.status !== 'closed' || hasOpen(answers);
}

export function afterCheck(health: ServerHealth, hasPassed: boolean, rules: HealthRules): ServerHealth {
  if (!hasPassed) return { ...health, checks: failCheck(health.checks, rules), isSuspect: true };
  return {
    ...health,
    checks: passCheck(health.checks, rules),
    connection: breakers.CLOSED,
    isSuspect: false,
  };
}

function passCheck({ state, wasUnhealthy, successes }: Checks, { healthyAfter }: HealthRules): Checks {
  const row = { failures: 0, successes: successes + 1 };
  const isHealthy = state === 'unknown' || state === 'healthy' || row.successes >= healthyAfter;
  return isHealthy
    ? { state: 'healthy', wasUnhealthy: false, ...row }
    : { state: 'degraded', wasUnhealthy, ...row };
}

function failCheck({ state, wasUnhealthy, failures }: Checks, { unhealthyAfter }: HealthRules): Checks {
  const row = { failures: failures + 1, successes: 0 };
  const isUnhealthy =
    state === 'unknown' || state === 'unhealthy' || wasUnhealthy || row.failures >= unhealthyAfter;
  return isUnhealthy
    ? { state: 'unhealthy', wasUnhealthy: true, ...row }
    : { state: 'degraded', wasUnhealthy, ...row };
}

/** Whether its breakers let a call for `model` through; one that is made again asks only about its answers. */
export function letsCall(
  { connection, answers }: ServerHealth,
  model: string,
  nowMs: number,
  isAgain = false,
): boolean {
  if (!isAgain && !breakers.letsCall(connection, nowMs)) return false;
  const breaker = answers.size === 0 ? undefined : answers.get(model);
  return breaker === undefined || breakers.letsCall(breaker, nowMs);
}

/** Whether a model that failed here is to be tried again by the next call for it; only a call can show that it is well. */
export function isTrialDue({ answers, checks }: ServerHealth, model: string, nowMs: number): boolean {
  if (answers.size === 0 || checks.state !== 'healthy') return false;
  const breaker = answers.get(model);
  return breaker !== undefined && breakers.isProbeDue(breaker, nowMs);
}

/** For how long from now `model` gets no call because of a 429, in ms; 0 when it does. */
export function coolingMs({ coolUntilMs }: ServerHealth, model: string, nowMs: number): number {
  if (coolUntilMs.size === 0) return 0;
  return Math.max(0, (coolUntilMs.get(model) ?? 0) - nowMs);
}

/** Whether a stream of `model` may well break off in its middle. */
export function mayBreakOff({ brokenUntilMs }: ServerHealth, model: string, nowMs: number): boolean {
  return brokenUntilMs.size > 0 && (brokenUntilMs.get(model) ?? 0) > nowMs;
}

/** After how many ms from now the breakers let a call for `model` through; 0 when they do, and while a probe is out. */
export function closedForMs({ connection, answers }: ServerHealth, model: string, nowMs: number): number {
  const waits = [connection, answers.get(model)].map((breaker) =>
    breaker?.status === 'open' ? breaker.untilMs - nowMs : 0,
  );
  return Math.max(0, ...waits);
}

/** A call for `model` begins, which `letsCall` has allowed. It is a probe if the health changes by it. */
export function afterStart(health: ServerHealth, model: string, nowMs: number): ServerHealth {
  const connection = breakers.startCall(health.connection, nowMs);
  const breaker = health.answers.get(model);
  const started = breaker && breakers.startCall(breaker, nowMs);
  if (connection === health.connection && started === breaker) return health;
  return { ...health, connection, answers: withBreaker(health.answers, model, started) };
}

/** The first token of a probe for `model` has come. */
export function afterFirstToken(health: ServerHealth, model: string): ServerHealth {
  const breaker = health.answers.get(model);
  const shown = breaker && !health.brokenUntilMs.has(model) ? breakers.answerProbe(breaker) : breaker;
  return {
    ...health,
    connection: breakers.CLOSED,
    answers: withBreaker(health.answers, model, shown),
  };
}

interface EndedCall {
  model: string;
  end: CallEnd;
  isProbe: boolean;
  /** Whether its first token had come. */
  hasBegun?: boolean;
  nowMs: number;
}

export function afterCall(health: ServerHealth, call: EndedCall): ServerHealth {
  const { model, end, isProbe, nowMs } = call;
  if (end.status === 'passed') return passCall(health, model);
  if (end.status === 'left') return isProbe ? leaveProbes(health, model, nowMs) : health;

  const { failure, caller } = end;
  const blame = blameFor(failure);
  const failed = { caller, isProbe, nowMs };
  if (blame === 'connection') {
    const connection = breakers.failCall(health.connection, failed, CONNECTION_RULE);
    const left = isProbe ? leaveProbes(health, model, nowMs) : health;
    return { ...left, connection, isSuspect: true };
  }
  // H5: it has answered, whatever it said.
  const reached = { ...health, connection: breakers.CLOSED };
  if (blame === 'answer') {
    const breaker = breakers.failCall(health.answers.get(model) ?? breakers.CLOSED, failed, ANSWER_RULE);
    const brokenUntilMs = call.hasBegun
      ? withUntil(health.brokenUntilMs, { model, untilMs: nowMs + BROKEN_MS, nowMs })
      : health.brokenUntilMs;
    const answers = withBreaker(health.answers, model, breaker);
    return { ...reached, answers, brokenUntilMs, isSuspect: true };
  }
  const left = isProbe ? leaveProbes(reached, model, nowMs) : reached;
  if (blame === 'rate-limit') {
    const coolMs = Math.min((failure.retryAfterSeconds ?? 0) * 1_000 || COOL_MS_DEFAULT, COOL_MS_MAX);
    return {
      ...left,
      coolUntilMs: withUntil(health.coolUntilMs, { model, untilMs: nowMs + coolMs, nowMs }),
    };
  }
  return blame === 'doubt' ? { ...left, isSuspect: true } : left;
}

function passCall(health: ServerHealth, model: string): ServerHealth {
  if (health.connection === breakers.CLOSED && !health.answers.has(model)) return health;
  return {
    ...health,
    connection: breakers.CLOSED,
    answers: withBreaker(health.answers, model, undefined),
    brokenUntilMs: new Map([...health.brokenUntilMs].filter(([other]) => other !== model)),
  };
}

function leaveProbes(health: ServerHealth, model: string, nowMs: number): ServerHealth {
  const breaker = health.answers.get(model);
  return {
    ...health,
    connection: breakers.leaveProbe(health.connection, nowMs),
    answers: withBreaker(health.answers, model, breaker && breakers.leaveProbe(breaker, nowMs)),
  };
}

function withBreaker(
  answers: ServerHealth['answers'],
  model: string,
  breaker: breakers.Breaker | undefined,
): ServerHealth['answers'] {
  const changed = new Map(answers);
  if (breaker === undefined) changed.delete(model);
  else changed.set(model, breaker);
  return changed;
}

function withUntil(
  times: ReadonlyMap<string, number>,
  { model, untilMs, nowMs }: { model: string; untilMs: number; nowMs: number },
): ReadonlyMap<string, number> {
  const current = [...times].filter(([, otherMs]) => otherMs > nowMs);
  return new Map([...current, [model, untilMs]]);
}

function hasOpen(answers: ServerHealth['answers']): boolean {
  if (answers.size === 0) return false;
  return [...answers.values()].some(({ status }) => status !== 'closed');
}
