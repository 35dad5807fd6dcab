// B1: units in use by this process are at most those that Redis has written down for it, as far as it can know.
// B2: a block is used for no longer than its TTL from the moment before it was asked for, on a clock that only goes on.
// B3: what is to be given back is out of use before Redis hears of it.

/** How long Redis keeps the block of a process that says nothing. */
export const BLOCK_TTL_MS = 5_000;
/** A process stops using its block this much earlier than Redis gives it to another. */
const TTL_MARGIN_MS = 100;
const HEARTBEAT_MS = 1_500;
/** Timers fire a little early. */
const EARLY_MS = 5;
/** While callers wait: a block that lapses tells nobody. */
const HUNGRY_POLL_MS = 250;
/** An idle unit that others want stays this long: the next caller may be about to take it. */
const IDLE_GRACE_MS = 30;
/** A process that has just got units uses them this long before it asks whether they are due to others. */
const TURN_MS = 100;
const REFUSED_MAX = 10_000;

/** What a process says of its block. */
interface BlockWord {
  used: number;
  /** Of its block, what it keeps. */
  hold: number;
  want: number;
  isHungry: boolean;
  limit: number;
}

/** What Redis answers (see lease-blocks.lua). */
interface BlockAnswer {
  units: number;
  keep: number;
  othersWant: boolean;
}

/** One name's units in this process: what is decided about them, without a wire. */
export interface LeaseBlock {
  tryTake(limit: number): boolean;
  /** A caller was refused and waits to hear that a unit is free. */
  refuse(): void;
  /** A caller asks until it has a unit or has given up. Answers the end of it. */
  beginAsking(): () => void;
  /** False when none was in use. */
  giveBack(): boolean;
  inUse(): number;
  /** Whether callers wait for a unit. */
  isHungry(): boolean;
  /** True when callers that were refused may try again; those that are refused again are counted anew. */
  recallRefused(): boolean;
  /** Whether it has nothing and wants nothing. */
  isEmpty(): boolean;
  /** What to say now; until the answer no unit beyond it is given out. */
  speak(): BlockWord;
  hear(answer: BlockAnswer): void;
  /** There was no answer: what was said may have been heard. */
  hearNothing(): void;
  /** How long until Redis should hear from this process again. */
  untilDueMs(): number;
  /** How long until it should, now that others are known to want units. */
  untilYieldMs(): number;
}

/** `nowMs` is a clock that only goes on. */
export function createLeaseBlock(nowMs: () => number): LeaseBlock {
  let inUse = 0;
  let units = 0;
  /** Of `units`, those that may be given out. */
  let usable = 0;
  let limit = 0;
  let lapsesAtMs = Number.NEGATIVE_INFINITY;
  let grewAtMs = Number.NEGATIVE_INFINITY;
  let spokeAtMs = Number.NEGATIVE_INFINITY;
  let beatAtMs = Number.NEGATIVE_INFINITY;
  /** The most in use since the last heartbeat. */
  let peak = 0;
  let refused = 0;
  let asking = 0;
  /** Redis knows that callers here wait. */
  let isKnownHungry = false;
  /** It has asked for units ahead of need, and there were none. */
  let isAheadInVain = false;
  let isUnheard = false;
  let othersWant = false;

  const isLive = () => nowMs() < lapsesAtMs;
  const isHungry = () => refused + asking > 0;
  const hasFree = () => inUse < Math.min(usable, limit) && isLive();
  const hasIdle = () => inUse < units;
  const isHeartbeat = () => nowMs() - beatAtMs >= HEARTBEAT_MS - EARLY_MS;
  const lacksAhead = () =>
    !isAheadInVain &&
    !othersWant &&
    inUse > 0 &&
    inUse >= usable &&
    usable === units &&
    inUse < limit &&
    !isHungry();

  function unitsToHold(): number {
    if (!isLive()) return inUse;
    let needed = units;
    if (othersWant) needed = inUse;
    else if (isHeartbeat()) needed = peak === 0 ? 0 : peak + aheadOf(peak);
    return Math.max(inUse, Math.min(usable, limit, needed));
  }

  function unitsToWant(hold: number): number {
    let more = 0;
    if (isHungry()) more = Math.max(refused + asking, aheadOf(inUse));
    else if (lacksAhead()) more = aheadOf(inUse);
    return Math.max(hold, Math.min(limit, inUse + more));
  }

  return {
    tryTake(nextLimit) {
      limit = nextLimit;
      if (!hasFree()) return false;
      inUse += 1;
      peak = Math.max(peak, inUse);
      return true;
    },
    refuse() {
      refused = Math.min(refused + 1, REFUSED_MAX);
    },
    beginAsking() {
      asking += 1;
      return () => {
        asking -= 1;
      };
    },
    giveBack() {
      if (inUse === 0) return false;
      inUse -= 1;
      return true;
    },
    inUse: () => inUse,
    isHungry,
    recallRefused() {
      if (refused === 0 || !hasFree()) return false;
      refused = 0;
      return true;
    },
    isEmpty: () => inUse === 0 && units === 0 && !isHungry() && !isUnheard,

    speak() {
      const hold = unitsToHold();
      if (isHeartbeat()) {
        beatAtMs = nowMs();
        peak = inUse;
        isAheadInVain = false;
      }
      const want = unitsToWant(hold);
      isAheadInVain ||= lacksAhead();
      units = Math.min(units, hold);
      usable = Math.min(usable, hold);
      spokeAtMs = nowMs();
      isKnownHungry = isHungry();
      return { used: inUse, hold, want, isHungry: isHungry(), limit };
    },

    hear(answer) {
      isUnheard = false;
      if (answer.units > units) {
        grewAtMs = nowMs();
        isAheadInVain = false;
        isKnownHungry = false;
      }
      units = answer.units;
      usable = Math.min(answer.units, answer.keep);
      othersWant = answer.othersWant;
      lapsesAtMs = spokeAtMs + BLOCK_TTL_MS - TTL_MARGIN_MS;
    },
    hearNothing() {
      isUnheard = true;
    },

    untilDueMs() {
      const sinceMs = nowMs() - spokeAtMs;
      if (isUnheard) return Math.max(0, HUNGRY_POLL_MS - sinceMs);
      if ((isHungry() && !isKnownHungry) || lacksAhead()) return 0;
      if (hasIdle() && usable < units) return 0;
      if (hasIdle() && othersWant) return Math.max(0, IDLE_GRACE_MS - sinceMs);
      return Math.max(0, (isHungry() ? HUNGRY_POLL_MS : HEARTBEAT_MS) - sinceMs);
    },
    untilYieldMs() {
      othersWant = true;
      if (hasIdle()) return IDLE_GRACE_MS;
      return Math.max(0, grewAtMs + TURN_MS - nowMs());
    },
  };
}

/** Units to hold beyond `count` in use, so that the next callers need not wait for Redis. */
function aheadOf(count: number): number {
  return Math.max(1, Math.ceil(count / 4));
}
