// I1: a request that is refused has used up nothing of any limit.
// I2: what a pass holds is given back exactly once, however its request ends.
import { AppError } from '../core/errors.ts';
import type { Leases } from '../core/leases.ts';
import type { Principal } from './authenticator.ts';
import type { KeyPlaces } from './key-places.ts';
import type { QuotaBlocks, QuotaState } from './quota-blocks.ts';
import type { Quota } from './quota-windows.ts';
import type { TokenBudgets } from './token-budgets.ts';
import type { TokenEstimate } from './token-estimate.ts';

/** Holds calls of models to their keys' limits. */
export interface KeyGate {
  /** Null, without any work, for who is held to nothing. Throws AppError `forbidden` for a model that the key may not
   *  call, `rate_limit_exceeded` with the seconds to wait, `store_unavailable` when the limits cannot be asked. */
  enter(principal: Principal, call: GatedCall): KeyPass | Promise<KeyPass> | null;
  /** The same for work that is done later, whenever it is its turn: how many requests are at work at once does not matter,
   *  and the budget is not held meanwhile (what the work uses is charged when it is done). Its tokens count in the minute
   *  in which it is accepted. */
  accept(principal: Principal, work: GatedWork): KeyPass | Promise<KeyPass> | null;
  /** The same for a step of accepted work, whose call is made now and whose caller has gone: with a `placeSignal` it waits
   *  until the key may have one more request at work, or until that aborts; without one that does not matter. */
  enterStep(principal: Principal, call: StepCall): KeyPass | Promise<KeyPass> | null;
}

interface GatedCall extends Gated {
  /** As the caller wrote it, and as it is known here; null for a call of no model of the caller's choice. */
  models: readonly string[] | null;
}

type StepCall = Omit<GatedCall, 'setHeader'> & { placeSignal: AbortSignal | null };

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

interface Entry {
  keyName: string;
  limits: Limits;
  call: Gated;
}

/** Takes what a call needs, one after the other. */
type Take = (entry: Entry, estimate: TokenEstimate) => Generator<Held | Promise<Held>>;

/** What a call has taken so far: `cancel` as if it had not been made, `settle` with the tokens it used. */
interface Held {
  cancel(): void;
  settle(tokens: number): void;
}

const MINUTE_MS = 60_000;
const RETRY_BUSY_SECONDS = 1;

export function createKeyGate({ quotas, leases, places, budgets, now }: KeyGateOptions): KeyGate {
  return {
    enter: (principal, call) =>
      principal.limits ? gate(principal, { ...call, models: toLists(call.models) }, takeForNow) : null,
    accept: (principal, work) => gate(principal, work, takeForLater),
    enterStep: (principal, call) =>
      principal.limits
        ? gate(
            principal,
            { ...call, models: toLists(call.models), setHeader() {} },
            takeForStep(call.placeSignal),
          )
        : null,
  };

  function gate(
    { keyName, limits }: Principal,
    call: GatedWork,
    take: Take,
  ): KeyPass | Promise<KeyPass> | null {
    if (!limits || keyName === null) return null;
    for (const names of call.models) requireModel(limits, names);
    const isCounted =
      limits.maxConcurrency !== null ||
      limits.tokenBudget !== null ||
      limits.requestsPerMinute !== null ||
      limits.tokensPerMinute !== null;
    return isCounted ? enterCounted({ keyName, limits, call }, take) : null;
  }

  function enterCounted(entry: Entry, take: Take): KeyPass | Promise<KeyPass> {
    const held: Held[] = [];
    const takes = take(entry, estimateOf(entry));
    return takeOn();

    // Without a promise while this process holds what is asked: that is each call of a key that is far from its limits.
    function takeOn(): KeyPass | Promise<KeyPass> {
      try {
        for (let next = takes.next(); !next.done; next = takes.next()) {
          if (next.value instanceof Promise) return next.value.then(keep, giveUp);
          held.push(next.value);
        }
      } catch (error) {
        giveUp(error);
      }
      return toPass(held);
    }

    function keep(one: Held): KeyPass | Promise<KeyPass> {
      held.push(one);
      return takeOn();
    }

    function giveUp(error: unknown): never {
      for (const one of held) one.cancel();
      throw error;
    }
  }

  function* takeForNow(entry: Entry, estimate: TokenEstimate) {
    yield takeConcurrency(entry.limits);
    yield* takeForCall(entry, estimate);
  }

  function takeForStep(placeSignal: AbortSignal | null): Take {
    return function* (entry, estimate) {
      if (placeSignal) yield takeConcurrency(entry.limits, placeSignal);
      yield* takeForCall(entry, estimate);
    };
  }

  function* takeForCall({ keyName, limits, call }: Entry, estimate: TokenEstimate) {
    yield reserveBudget(keyName, limits, estimate);
    yield takeRequest(limits, call);
    yield takeTokens(limits, estimate, call);
  }

  function* takeForLater({ keyName, limits, call }: Entry, estimate: TokenEstimate) {
    const { cancel } = reserveBudget(keyName, limits, estimate);
    yield { cancel, settle: cancel };
    yield takeRequest(limits, call);
    yield takeTokens(limits, estimate, call);
  }

  function takeConcurrency(
    { keyId, maxConcurrency }: Limits,
    placeSignal: AbortSignal | null = null,
  ): Held | Promise<Held> {
    if (maxConcurrency === null) return NOTHING;
    const name = `key:${keyId}`;
    const taken = placeSignal
      ? places.take(name, maxConcurrency, placeSignal)
      : leases.take(name, maxConcurrency);
    return whenKnown(taken, (isTaken) => {
      const giveBack = () => leases.giveBack(name);
      if (isTaken) return { cancel: giveBack, settle: giveBack };
      throw tooMany(`This key may have ${maxConcurrency} requests at once.`, RETRY_BUSY_SECONDS);
    });
  }

  function reserveBudget(keyName: string, { tokenBudget }: Limits, estimate: TokenEstimate): Held {
    if (tokenBudget === null) return NOTHING;
    const reserved = Math.min(estimate.prompt + estimate.completion, tokenBudget.tokens);
    const { fits, resetMs } = budgets.reserve(keyName, tokenBudget, reserved);
    if (!fits) {
      const { tokens, per } = tokenBudget;
      throw tooMany(`This key's budget of ${tokens} tokens a ${per} (UTC) is used up.`, resetMs / 1_000);
    }
    return {
      cancel: () => budgets.settle(keyName, reserved, 0),
      settle: (tokens) => budgets.settle(keyName, reserved, tokens),
    };
  }

  function takeRequest({ keyId, requestsPerMinute }: Limits, call: Gated): Held | Promise<Held> {
    if (requestsPerMinute === null) return NOTHING;
    const name = `requests:${keyId}`;
    const quota = { units: requestsPerMinute, windowMs: MINUTE_MS };
    return takeQuota(name, quota, 1, {
      onState: (state) => describe(call, 'requests', state),
      used: () => 1,
    });
  }

  function takeTokens(
    { keyId, tokensPerMinute }: Limits,
    { prompt, completion }: TokenEstimate,
    call: Gated,
  ): Held | Promise<Held> {
    if (tokensPerMinute === null) return NOTHING;
    if (prompt > tokensPerMinute) {
      throw tooMany(`This prompt has about ${prompt} tokens, and this key ${tokensPerMinute} a minute.`, 60);
    }
    const name = `tokens:${keyId}`;
    const quota = { units: tokensPerMinute, windowMs: MINUTE_MS };
    // The caller's bound on the answer may be far beyond what it becomes: it alone does not refuse a call.
    const units = Math.min(prompt + completion, tokensPerMinute);
    return takeQuota(name, quota, units, {
      onState: (state) => describe(call, 'tokens', state),
      used: (tokens) => tokens,
    });
  }

  function takeQuota(
    name: string,
    quota: Quota,
    units: number,
    { onState, used }: { onState: (state: QuotaState) => void; used: (tokens: number) => number },
  ): Held | Promise<Held> {
    return whenKnown(quotas.take(name, quota, units), (state) => {
      // Not before: the window may have begun with this very call.
      const takenAtMs = now();
      onState(state);
      if (!state.taken) {
        const [what] = name.split(':');
        throw tooMany(`This key may use ${quota.units} ${what} a minute.`, state.resetMs / 1_000);
      }
      return {
        cancel: () => quotas.settle(name, quota, -units, takenAtMs),
        settle: (tokens) => quotas.settle(name, quota, used(tokens) - units, takenAtMs),
      };
    });
  }
}

function whenKnown<T>(answer: T | Promise<T>, then: (answer: T) => Held): Held | Promise<Held> {
  return answer instanceof Promise ? answer.then(then) : then(answer);
}

function toPass(held: readonly Held[]): KeyPass {
  let isOver = false;
  const end = (finish: (one: Held) => void) => {
    if (isOver) return;
    isOver = true;
    for (const one of held) finish(one);
  };
  return {
    settle: (tokens) => end((one) => one.settle(tokens)),
    cancel: () => end((one) => one.cancel()),
  };
}

function estimateOf({ limits, call }: Entry): TokenEstimate {
  const counts = limits.tokenBudget !== null || limits.tokensPerMinute !== null;
  return counts ? call.estimate() : { prompt: 0, completion: 0 };
}

const NOTHING: Held = { cancel: () => {}, settle: () => {} };

const toLists = (models: readonly string[] | null) => (models === null ? [] : [models]);

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
