// I1: what all processes grant in a window is never more than the quota.
// I2: of a quota, a process holds no more than STOCK unused, so that others can use the rest.
// I3: one question at a time about each quota; those who come meanwhile are answered together by the next one.
import type { Quota, QuotaTaken, QuotaWindows } from './quota-windows.ts';

export interface QuotaState {
  limit: number;
  /** Units left in this window, as far as this process knows. */
  remaining: number;
  resetMs: number;
}

export type QuotaAnswer = QuotaState & { taken: boolean };

/** A process's part of shared quotas: blocks of units taken ahead of need, so that most requests ask nobody. */
export interface QuotaBlocks {
  /** Takes all of `units` or none; at once where this process holds them. Throws AppError `store_unavailable`. */
  take(name: string, quota: Quota, units: number): QuotaAnswer | Promise<QuotaAnswer>;
  /** What was taken turned out to be `units` too few (charged) or, if negative, too many (given back). `takenAtMs` is
   *  when it was taken: what an earlier window gave does not come back in this one. Never throws. */
  settle(name: string, quota: Quota, units: number, takenAtMs: number): void;
}

interface QuotaBlocksOptions {
  windows: QuotaWindows;
  /** Monotonic ms. */
  now: () => number;
}

interface Block {
  quota: Quota;
  /** Units that this process holds. */
  free: number;
  /** Units nobody holds, at the last question. */
  left: number;
  startedAtMs: number;
  endsAtMs: number;
  /** Nothing was left at the last question; it need not be asked again before this time. */
  dryUntilMs: number;
  waiting: Waiting[];
  asking: boolean;
}

interface Waiting {
  units: number;
  resolve(answer: QuotaAnswer): void;
  reject(error: unknown): void;
}

/** The part of a quota that a process holds in stock: with four processes less than 2 % lie unused. */
const STOCK = 0.005;
const DRY_MS = 100;
const BLOCKS_MAX = 10_000;
/** What is given back so near to the end of a window could arrive in the next one. */
const WINDOW_MARGIN_MS = 500;

export function createQuotaBlocks({ windows, now }: QuotaBlocksOptions): QuotaBlocks {
  const blocks = new Map<string, Block>();

  return {
    take(name, quota, units) {
      const block = blockOf(name, quota);
      if (block.waiting.length === 0 && (block.free >= units || now() < block.dryUntilMs)) {
        return decide(block, units);
      }
      return new Promise((resolve, reject) => {
        block.waiting.push({ units, resolve, reject });
        if (!block.asking) askAll(name, block);
      });
    },

    settle(name, quota, units, takenAtMs) {
      if (units === 0) return;
      const block = blockOf(name, quota);
      if (units > 0) {
        charge(name, block, units);
        return;
      }
      if (takenAtMs < block.startedAtMs || now() > block.endsAtMs) return;
      block.free -= units;
      trim(name, block);
    },
  };

  function blockOf(name: string, quota: Quota): Block {
    const known = blocks.get(name);
    if (known && known.endsAtMs > now() && known.quota.units === quota.units) return known;
    if (known?.asking) return known;
    if (blocks.size >= BLOCKS_MAX) forgetEnded();
    const block: Block = {
      quota,
      free: 0,
      left: quota.units,
      startedAtMs: now(),
      endsAtMs: now() + quota.windowMs,
      dryUntilMs: 0,
      waiting: [],
      asking: false,
    };
    blocks.set(name, block);
    return block;
  }

  function forgetEnded(): void {
    for (const [name, block] of blocks) {
      if (block.endsAtMs <= now() && !block.asking) blocks.delete(name);
    }
  }

  function decide(block: Block, units: number): QuotaAnswer {
    const taken = block.free >= units;
    if (taken) block.free -= units;
    const remaining = Math.max(0, block.left + block.free);
    return { taken, limit: block.quota.units, remaining, resetMs: Math.max(0, block.endsAtMs - now()) };
  }

  async function askAll(name: string, block: Block): Promise<void> {
    block.asking = true;
    while (block.waiting.length > 0) {
      const asked = block.waiting.splice(0);
      const needed = asked.reduce((sum, { units }) => sum + units, 0);
      try {
        const answer = await windows.take(
          name,
          block.quota,
          Math.max(1, needed + stockOf(block) - block.free),
        );
        absorb(block, answer);
        for (const { units, resolve } of asked) resolve(decide(block, units));
      } catch (error) {
        for (const { reject } of asked) reject(error);
      }
    }
    block.asking = false;
    trim(name, block);
  }

  function absorb(block: Block, { granted, left, resetMs }: QuotaTaken): void {
    const endsAtMs = now() + resetMs;
    // Another window than the one that gave what is held.
    if (endsAtMs > block.endsAtMs + WINDOW_MARGIN_MS || now() >= block.endsAtMs) {
      block.free = 0;
      block.startedAtMs = now();
    }
    block.endsAtMs = endsAtMs;
    block.free += granted;
    block.left = left;
    block.dryUntilMs = granted === 0 ? now() + Math.min(DRY_MS, resetMs) : 0;
  }

  // Charged to what this process holds first.
  function charge(name: string, block: Block, units: number): void {
    const fromStock = Math.min(block.free, units);
    block.free -= fromStock;
    if (units > fromStock) windows.charge(name, block.quota, units - fromStock).catch(() => {});
  }

  function trim(name: string, block: Block): void {
    const spare = block.free - stockOf(block);
    if (block.asking || spare <= stockOf(block) || now() > block.endsAtMs - WINDOW_MARGIN_MS) return;
    block.free -= spare;
    block.left += spare;
    block.dryUntilMs = 0;
    windows.giveBack(name, block.quota, spare).catch(() => {});
  }
}

const stockOf = ({ quota }: Block) => Math.floor(quota.units * STOCK);
