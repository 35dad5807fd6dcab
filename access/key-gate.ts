// I1: a request that is refused has used up nothing of any limit.
// I2: what a pass holds is given back exactly once, however its request ends.
import { AppError } from '../core/errors.ts';
import type { Leases } from '../core/leases.ts';
import type { Principal } from './authenticator.ts';
import type { KeyPlaces } from './key-places.ts';
import type { QuotaAnswer, QuotaBlocks, QuotaState } from './quota-blocks.ts';
import type { Quota } from './quota-windows.ts';
import type { TokenBudgets } from './token-budgets.ts';
import type { TokenEstimate } from './token-estimate.ts';

/** Holds calls of models to their keys' limits. */
export interface KeyGate {
  /** Null, without any work, for who is held to nothing. Throws AppError `forbidden` for a model that the key may not
   *  call, `rate_limit_exceeded` with the seconds to wait, `store_unavailable` when the limits cannot be asked. */
  enter(principal: Principal, call: GatedCall): KeyPass | Promise<KeyPass> | null;
  /** The same for work that is done later, whenever it is its turn: how many requests are at work at once is asked then
   *  (`enterStep`), and the budget is not held meanwhile (what the work uses is charged when it is done). Its tokens count
   *  in the minute in which it is accepted. */
  accept(principal: Principal, work: GatedWork): KeyPass | Promise<KeyPass> | null;
  /** The same for a step of accepted work, whose call is made now and whose caller has gone: with a `placeSignal` it waits
   *  until the key may have one more request at work, or until that aborts; without one that does not matter. */
  enterStep(principal: Principal, call: StepCall): KeyPass | Promise<KeyPass> | null;
}

interface GatedCall extends Gated {
  /** As the caller wrote it, and as it is known here; null for a call of no model of the caller's choice. */
  models: readonly string[] | null;
}

interface StepCall extends Omit<GatedCall, 'setHeader'> {
  /** Its key's limits were charged for it before, when it was accepted: all but its place among the requests at once. */
  isCharged: boolean;
  placeSignal: AbortSignal | null;
}

interface GatedWork extends Gated {
  /** Each by all its names. */
  models: readonly (readonly string[])[];
}

interface Gated {
  estimate(): TokenEstimate;
  /** Told of `x-ratelimit-…`, whether the call is let in or not. */
  setHeader(name: string, value: string): void;
}

/** Leave for one call. */
export interface KeyPass {
  /** The call ended and used so many tokens. */
  settle(tokens: number): void;
  /** The call did not take place after all. */
  cancel(): void;
}

interface KeyGateOptions {
  quotas: QuotaBlocks;
  leases: Pick<Leases, 'take' | 'giveBack'>;
  places: Pick<KeyPlaces, 'take'>;
  budgets: Pick<TokenBudgets, 'reserve' | 'settle'>;
  /** Monotonic ms. */
  now: () => number;
}

type Limits = NonNullable<Principal['limits']>;

/** What a call has taken so far. One object and no closures: each call of a limited key has one until it ends. */
interface Taken {
  keyName: string;
  limits: Limits;
  hasPlace: boolean;
  /** Tokens of the budget. */
  reserved: number;
  /** Work done later charges the budget when it is done, by the calls that it makes. */
  chargesBudget: boolean;
  /** When its place among the minute's requests was taken; null without one. */
  requestAtMs: number | null;
  /** Of the minute's tokens. */
  units: number;
  /** Null without any. */
  unitsAtMs: number | null;
}

interface Entry {
  taken: Taken;
  call: Gated;
  estimate: TokenEstimate;
  placeSignal: AbortSignal | null;
}

/** Takes one thing that a call needs, and notes it in `taken`. Throws AppError when it is not to be had. */
type Take = (entry: Entry) => void | Promise<void>;

interface EntryKind {
  takes: readonly Take[];
  chargesBudget: boolean;
  placeSignal?: AbortSignal | null;
}

const MINUTE_MS = 60_000;
const RETRY_BUSY_SECONDS = 1;

export function createKeyGate({ quotas, leases, places, budgets, now }: KeyGateOptions): KeyGate {
  const forCall: readonly Take[] = [reserveBudget, takeRequest, takeTokens];
  const forPlacedCall: readonly Take[] = [takePlace, ...forCall];

  return {
    enter: (principal, call) =>
      principal.limits ? gate(principal, toWork(call), { takes: forPlacedCall, chargesBudget: true }) : null,
    accept: (principal, work) => gate(principal, work, { takes: forCall, chargesBudget: false }),
    enterStep: (principal, { isCharged, placeSignal, ...call }) =>
      principal.limits
        ? gate(principal, toWork({ ...call, setHeader() {} }), {
            takes: [...(placeSignal ? [takePlace] : []), ...(isCharged ? [] : forCall)],
            chargesBudget: !isCharged,
            placeSignal,
          })
        : null,
  };

  function gate(
    { keyName, limits }: Principal,
    call: GatedWork,
    { takes, chargesBudget, placeSignal = null }: EntryKind,
  ): KeyPass | Promise<KeyPass> | null {
    if (!limits || keyName === null) return null;
    for (const names of call.models) requireModel(limits, names);
    if (!isCounted(limits)) return null;
    const taken: Taken = {
      keyName,
      limits,
      hasPlace: false,
      reserved: 0,
      chargesBudget,
      requestAtMs: null,
      units: 0,
      unitsAtMs: null,
    };
    return takeFrom(0, takes, { taken, call, estimate: estimateOf(limits, call), placeSignal });
  }

  // Without a promise while this process holds what is asked: that is each call of a key that is far from its limits.
  function takeFrom(first: number, takes: readonly Take[], entry: Entry): KeyPass | Promise<KeyPass> {
    const { taken } = entry;
    try {
      for (let at = first; at < takes.length; at += 1) {
        const waits = takes[at]?.(entry);
        if (waits) {
          return waits.then(
            () => takeFrom(at + 1, takes, entry),
            (error) => {
              cancel(taken);
              throw error;
            },
          );
        }
      }
    } catch (error) {
      cancel(taken);
      throw error;
    }
    return toPass(taken);
  }

  function toPass(taken: Taken): KeyPass {
    let isOver = false;
    return {
      settle(tokens) {
        if (isOver) return;
        isOver = true;
        settle(taken, tokens);
      },
      cancel() {
        if (isOver) return;
        isOver = true;
        cancel(taken);
      },
    };
  }

  function cancel(taken: Taken): void {
    const { requestAtMs } = taken;
    if (requestAtMs !== null) {
      const { limits } = taken;
      quotas.settle(requestsOf(limits), minuteOf(limits.requestsPerMinute), -1, requestAtMs);
    }
    giveBack(taken, 0, 0);
  }

  function settle(taken: Taken, tokens: number): void {
    giveBack(taken, taken.chargesBudget ? tokens : 0, tokens);
  }

  function giveBack(
    { keyName, limits, hasPlace, reserved, units, unitsAtMs }: Taken,
    ofBudget: number,
    ofMinute: number,
  ): void {
    if (hasPlace) leases.giveBack(placesOf(limits));
    if (limits.tokenBudget !== null) budgets.settle(keyName, reserved, ofBudget);
    if (unitsAtMs !== null)
      quotas.settle(tokensOf(limits), minuteOf(limits.tokensPerMinute), ofMinute - units, unitsAtMs);
  }

  function takePlace({ taken, placeSignal }: Entry): void | Promise<void> {
    const { maxConcurrency } = taken.limits;
    if (maxConcurrency === null) return;
    const name = placesOf(taken.limits);
    const isTaken = placeSignal
      ? places.take(name, maxConcurrency, placeSignal)
      : leases.take(name, maxConcurrency);
    return whenKnown(isTaken, (has) => {
      if (!has) throw tooMany(`This key may have ${maxConcurrency} requests at once.`, RETRY_BUSY_SECONDS);
      taken.hasPlace = true;
    });
  }

  function reserveBudget({ taken, estimate }: Entry): void {
    const { tokenBudget } = taken.limits;
    if (tokenBudget === null) return;
    const asked = Math.min(estimate.prompt + estimate.completion, tokenBudget.tokens);
    const { fits, resetMs } = budgets.reserve(taken.keyName, tokenBudget, asked);
    if (!fits) {
      const { tokens, per } = tokenBudget;
      throw tooMany(`This key's budget of ${tokens} tokens a ${per} (UTC) is used up.`, resetMs / 1_000);
    }
    taken.reserved = asked;
  }

  function takeRequest({ taken, call }: Entry): void | Promise<void> {
    const { limits } = taken;
    if (limits.requestsPerMinute === null) return;
    const quota = minuteOf(limits.requestsPerMinute);
    return whenKnown(quotas.take(requestsOf(limits), quota, 1), (state) => {
      requireQuota(call, 'requests', state);
      taken.requestAtMs = now();
    });
  }

  function takeTokens({ taken, call, estimate: { prompt, completion } }: Entry): void | Promise<void> {
    const { limits } = taken;
    const { tokensPerMinute } = limits;
    if (tokensPerMinute === null) return;
    if (prompt > tokensPerMinute) {
      throw tooMany(`This prompt has about ${prompt} tokens, and this key ${tokensPerMinute} a minute.`, 60);
    }
    // The caller's bound on the answer may be far beyond what it becomes: it alone does not refuse a call.
    const units = Math.min(prompt + completion, tokensPerMinute);
    return whenKnown(quotas.take(tokensOf(limits), minuteOf(tokensPerMinute), units), (state) => {
      requireQuota(call, 'tokens', state);
      taken.units = units;
      // Not before: the window may have begun with this very call.
      taken.unitsAtMs = now();
    });
  }
}

function whenKnown<T>(answer: T | Promise<T>, then: (answer: T) => void): void | Promise<void> {
  return answer instanceof Promise ? answer.then(then) : then(answer);
}

const placesOf = ({ keyId }: Limits) => `key:${keyId}`;
const requestsOf = ({ keyId }: Limits) => `requests:${keyId}`;
const tokensOf = ({ keyId }: Limits) => `tokens:${keyId}`;
const minuteOf = (units: number | null): Quota => ({ units: units ?? 0, windowMs: MINUTE_MS });

const isCounted = ({ maxConcurrency, tokenBudget, requestsPerMinute, tokensPerMinute }: Limits): boolean =>
  maxConcurrency !== null || tokenBudget !== null || requestsPerMinute !== null || tokensPerMinute !== null;

function estimateOf({ tokenBudget, tokensPerMinute }: Limits, call: Gated): TokenEstimate {
  return tokenBudget === null && tokensPerMinute === null ? { prompt: 0, completion: 0 } : call.estimate();
}

function toWork({ models, estimate, setHeader }: GatedCall): GatedWork {
  return { models: models === null ? [] : [models], estimate, setHeader };
}

function requireModel({ models }: Limits, asked: readonly string[]): void {
  // A name without a tag stands for all of its tags, as it does for model servers.
  const isAllowed = (name: string) =>
    models?.includes(name) || models?.includes(name.split(':', 1)[0] ?? name);
  if (models === null || asked.some(isAllowed)) return;
  throw new AppError('forbidden', `This key may not call the model \`${asked[0]}\`.`, { param: 'model' });
}

function tooMany(message: string, retryAfterSeconds: number): AppError {
  return new AppError('rate_limit_exceeded', `${message} Try again later.`, { retryAfterSeconds });
}

/** Says how much is left, and throws where the call was not let in. */
function requireQuota(call: Gated, what: string, state: QuotaAnswer): void {
  describe(call, what, state);
  if (!state.taken) throw tooMany(`This key may use ${state.limit} ${what} a minute.`, state.resetMs / 1_000);
}

function describe(call: Gated, what: string, state: QuotaState): void {
  call.setHeader(`x-ratelimit-limit-${what}`, String(state.limit));
  call.setHeader(`x-ratelimit-remaining-${what}`, String(state.remaining));
  call.setHeader(`x-ratelimit-reset-${what}`, toGoDuration(state.resetMs));
}

/** `1s`, `6m0s`: whole seconds, as Go writes durations. */
function toGoDuration(ms: number): string {
  const seconds = Math.ceil(ms / 1_000);
  const minutes = Math.floor(seconds / 60);
  return minutes === 0 ? `${seconds}s` : `${minutes}m${seconds % 60}s`;
}
