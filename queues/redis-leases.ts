// Each process holds a block of each name's units (lease-block.ts) and speaks about it to Redis, where one script
// (lease-blocks.lua) keeps the blocks of all.
//
// R1: of one name at most one word is on its way; what comes up meanwhile is said with the next.
// R2: a process that was frozen, or cut off from Redis, for longer than the TTL gives out no unit until Redis has
//     answered it. What it had in use then goes on: by that much, at most, may the limit be exceeded.
// R3: time is Redis's; a process only measures how long ago it spoke. Should Redis's clock leap forward, or its store
//     come back older than it was, blocks may be given out twice until their holders next speak (1.5 s at most).
import { readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';
import { AppError } from '../core/errors.ts';
import type { Leases } from '../core/leases.ts';
import type { ReplyBus } from '../jobs/reply-bus.ts';
import { BLOCK_TTL_MS, createLeaseBlock, type LeaseBlock } from './lease-block.ts';
import { storeUnavailable } from './store-errors.ts';

interface RedisLeasesOptions {
  commands: Redis;
  /** Its inbox names this process; over it processes tell each other that a unit is wanted or free. */
  bus: ReplyBus;
}

/** What a word's answer says. */
interface Heard {
  /** Every other process has said that it uses all it holds. */
  isSettled: boolean;
  /** This one was given all that it wanted, and that was more than it used. */
  isGranted: boolean;
}

interface Entry {
  block: LeaseBlock;
  /** The word that is on its way. */
  speaking: Promise<Heard> | null;
  spokeAtMs: number;
  /** What others said while a word was on its way: its answer may be older than that. */
  missed: 'wanted' | 'free' | null;
  timer: NodeJS.Timeout | undefined;
  dueAtMs: number;
}

type ScriptAnswer = [units: number, keep: number, othersWant: number, asked: number, news: number];
type ScriptCall = (key: string, ...args: (string | number)[]) => Promise<ScriptAnswer>;

const NAMES_MAX = 10_000;
/** Between two words about one name. */
const GAP_MS = 5;
/** How long `take` waits for what other processes may give back, and how often it looks. */
const TAKE_LIMIT_MS = 250;
const TAKE_POLL_MS = 20;
/** So often in a row may what was granted be gone. */
const GRANTS_MAX = 20;
const SCRIPT = readFileSync(new URL('lease-blocks.lua', import.meta.url), 'utf8');
const NEWS = [null, 'wanted', 'free'] as const;

/** Leases of all processes on one Redis. Names are free text; a process uses at most 10 000 at once. */
export function createRedisLeases({ commands, bus }: RedisLeasesOptions): Leases {
  const nowMs = () => performance.now();
  const say = scriptCall(commands);
  const entries = new Map<string, Entry>();
  const listeners = new Set<(name: string) => void>();
  const unsubscribe = bus.subscribe((message) => {
    if (message.kind === 'lease' && message.from !== bus.inbox) onNews(message.name, message.news);
  });
  commands.on('ready', onReconnect);
  let seq = 0;
  let isClosed = false;

  return {
    tryTake(name, limit) {
      const entry = entryOf(name);
      if (!entry) return false;
      const isTaken = entry.block.tryTake(limit);
      if (!isTaken) entry.block.refuse();
      speakWhenDue(name, entry);
      return isTaken;
    },

    take(name, limit) {
      const entry = entryOf(name);
      if (!entry) throw new AppError('overloaded', 'Too many things are in use at once. Try again shortly.');
      if (!entry.block.tryTake(limit)) return takeFromOthers(name, entry, limit);
      speakWhenDue(name, entry);
      return true;
    },

    giveBack(name) {
      const entry = entries.get(name);
      if (!entry?.block.giveBack()) return;
      if (entry.block.recallRefused()) tellFree(name);
      speakWhenDue(name, entry);
    },

    inUse: (name) => entries.get(name)?.block.inUse() ?? 0,

    onFree(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },

    async close() {
      if (isClosed) return;
      isClosed = true;
      unsubscribe();
      commands.off('ready', onReconnect);
      listeners.clear();
      const names = [...entries.keys()];
      for (const entry of entries.values()) clearTimeout(entry.timer);
      entries.clear();
      if (commands.status !== 'ready') return;
      await Promise.allSettled(
        names.map((name) => say(keyOf(name), bus.inbox, ++seq, 0, 0, 0, 0, 1, BLOCK_TTL_MS)),
      );
    },
  };

  function entryOf(name: string): Entry | null {
    const known = entries.get(name);
    if (known) return known;
    if (isClosed || entries.size >= NAMES_MAX) return null;
    const never = Number.NEGATIVE_INFINITY;
    const entry: Entry = {
      block: createLeaseBlock(nowMs),
      speaking: null,
      spokeAtMs: never,
      missed: null,
      timer: undefined,
      dueAtMs: Number.POSITIVE_INFINITY,
    };
    entries.set(name, entry);
    return entry;
  }

  async function takeFromOthers(name: string, entry: Entry, limit: number): Promise<boolean> {
    const endAsking = entry.block.beginAsking();
    try {
      return await askOthers(name, entry, limit);
    } finally {
      endAsking();
      speakWhenDue(name, entry);
    }
  }

  async function askOthers(name: string, entry: Entry, limit: number): Promise<boolean> {
    const giveUpAtMs = nowMs() + TAKE_LIMIT_MS;
    let granted = 0;
    // R1: a word on its way does not speak of this caller.
    await entry.speaking?.catch(() => {});
    for (;;) {
      const { isSettled, isGranted } = await (entry.speaking ?? speak(name, entry));
      if (entry.block.tryTake(limit)) return true;
      if (isClosed) return false;
      // What was granted has been taken by others here, or given back unused by a heartbeat that fell due: the limit is
      // far, and to ask again is not in vain.
      if (isGranted && ++granted < GRANTS_MAX) continue;
      if (isSettled || nowMs() >= giveUpAtMs) return false;
      await new Promise((resolve) => setTimeout(resolve, TAKE_POLL_MS));
      if (entry.block.tryTake(limit)) return true;
    }
  }

  function speakWhenDue(name: string, entry: Entry): void {
    if (entry.speaking || isClosed) return;
    speakIn(name, entry, entry.block.untilDueMs());
  }

  function speakIn(name: string, entry: Entry, delayMs: number): void {
    const dueAtMs = Math.max(nowMs() + delayMs, entry.spokeAtMs + GAP_MS);
    if (isClosed || dueAtMs >= entry.dueAtMs) return;
    clearTimeout(entry.timer);
    entry.dueAtMs = dueAtMs;
    const onDue = () => {
      if (entry.dueAtMs !== dueAtMs || entry.speaking || isClosed) return;
      speak(name, entry).catch(() => {});
    };
    // All that is refused in one turn of the event loop is said at once.
    if (dueAtMs <= nowMs()) queueMicrotask(onDue);
    else entry.timer = setTimeout(onDue, Math.ceil(dueAtMs - nowMs()));
  }

  function speak(name: string, entry: Entry): Promise<Heard> {
    clearTimeout(entry.timer);
    entry.dueAtMs = Number.POSITIVE_INFINITY;
    entry.spokeAtMs = nowMs();
    entry.speaking = exchange(name, entry.block).finally(() => {
      entry.speaking = null;
      if (isClosed) return;
      if (entry.block.recallRefused()) tellFree(name);
      if (entry.block.isEmpty()) {
        entries.delete(name);
        return;
      }
      const { missed } = entry;
      entry.missed = null;
      if (missed) onNews(name, missed);
      speakWhenDue(name, entry);
    });
    return entry.speaking;
  }

  async function exchange(name: string, block: LeaseBlock): Promise<Heard> {
    const { used, hold, want, isHungry, limit } = block.speak();
    seq += 1;
    const word = [bus.inbox, seq, used, hold, want, isHungry ? 1 : 0, limit, BLOCK_TTL_MS];
    try {
      const [units, keep, othersWant, asked, news] = await say(keyOf(name), ...word);
      block.hear({ units, keep, othersWant: othersWant === 1 });
      const told = NEWS[news];
      // A loss is made good by the heartbeats.
      if (told) bus.broadcast({ kind: 'lease', name, news: told, from: bus.inbox }).catch(() => {});
      return { isSettled: asked === 1, isGranted: want > used && units >= want };
    } catch (error) {
      block.hearNothing();
      throw storeUnavailable(error);
    }
  }

  function onNews(name: string, news: 'wanted' | 'free'): void {
    const entry = entries.get(name);
    if (!entry) return;
    if (entry.speaking) entry.missed = news;
    else if (news === 'wanted') speakIn(name, entry, entry.block.untilYieldMs());
    else if (entry.block.isHungry()) speakIn(name, entry, 0);
  }

  function onReconnect(): void {
    for (const [name, entry] of entries) {
      if (!entry.speaking) speakIn(name, entry, 0);
    }
  }

  function tellFree(name: string): void {
    for (const listener of [...listeners]) listener(name);
  }
}

function scriptCall(commands: Redis): ScriptCall {
  commands.defineCommand('citadelLease', { numberOfKeys: 1, lua: SCRIPT });
  const { citadelLease } = commands as Redis & { citadelLease: ScriptCall };
  return citadelLease.bind(commands);
}

const keyOf = (name: string) => `citadel:lease:${name}`;
