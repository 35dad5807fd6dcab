// I1: a token is counted from its request on, without a gap: as reserved, as used here, or as in the ledger's rows.
//     Between the last two it may be counted twice for a moment, never not at all.
import type { TokenBudget } from '../core/schemas/api-key.ts';
import type { KeyRecord, KeyStore, TokensOfDay } from './key-store.ts';

interface BudgetState {
  /** Whether what was asked for fits, and is reserved now. */
  fits: boolean;
  resetMs: number;
}

/** The token budgets of the store's keys, by day or month of UTC: what the ledger says was used, and what this process
 *  has used since it last looked. */
export interface TokenBudgets {
  /** Reserves `tokens` of the key's budget, if they are left. */
  reserve(keyName: string, budget: TokenBudget, tokens: number): BudgetState;
  /** The request for which `reserved` was reserved used `used`. */
  settle(keyName: string, reserved: number, used: number): void;
  /** Reads what these keys have used. Throws what the store threw. */
  refresh(keys: readonly KeyRecord[]): Promise<void>;
}

interface TokenBudgetsOptions {
  store: Pick<KeyStore, 'tokensUsed'>;
  /** Writes the ledger's rows that wait. */
  flushLedger: () => Promise<void>;
  /** Unix ms. */
  now: () => number;
}

interface Usage {
  days: readonly TokensOfDay[];
  /** Used here, and perhaps not in the rows yet. */
  unread: number;
  reserved: number;
}

export function createTokenBudgets({ store, flushLedger, now }: TokenBudgetsOptions): TokenBudgets {
  const usages = new Map<string, Usage>();

  return {
    reserve(keyName, budget, tokens) {
      const nowMs = now();
      const { start, end } = periodOf(budget, nowMs);
      const usage = usageOf(keyName);
      const used = usage.unread + usage.reserved + sumSince(usage.days, start);
      const fits = used + tokens <= budget.tokens;
      if (fits) usage.reserved += tokens;
      return { fits, resetMs: end - nowMs };
    },

    settle(keyName, reserved, used) {
      const usage = usageOf(keyName);
      usage.reserved -= reserved;
      usage.unread += used;
    },

    async refresh(keys) {
      const names = new Set(keys.filter(hasBudget).map(({ name }) => name));
      for (const name of usages.keys()) {
        if (!names.has(name) && usageOf(name).reserved <= 0) usages.delete(name);
      }
      if (names.size === 0) return;
      const unread = new Map([...names].map((name) => [name, usageOf(name).unread]));
      const isWritten = await flushLedger().then(
        () => true,
        () => false,
      );
      const rows = await store.tokensUsed([...names], dayOf(monthStart(now())));
      const byName = Map.groupBy(rows, ({ keyName }) => keyName);
      for (const name of names) {
        const usage = usageOf(name);
        usage.days = byName.get(name) ?? [];
        if (isWritten) usage.unread -= unread.get(name) ?? 0;
      }
    },
  };

  function usageOf(keyName: string): Usage {
    let usage = usages.get(keyName);
    if (!usage) {
      usage = { days: [], unread: 0, reserved: 0 };
      usages.set(keyName, usage);
    }
    return usage;
  }
}

const DAY_MS = 86_400_000;
/** From the first of a month it leads into the next one, and never beyond. */
const MONTH_MS_MAX = 31 * DAY_MS;

const hasBudget = ({ tokenBudget, revokedAt }: KeyRecord) => tokenBudget !== null && revokedAt === null;

interface Period {
  /** Its first day. */
  start: string;
  startMs: number;
  end: number;
}

// The last one that was asked for: a day is not worked out for each request.
const lastPeriods: Partial<Record<TokenBudget['per'], Period>> = {};

function periodOf({ per }: TokenBudget, nowMs: number): Period {
  const last = lastPeriods[per];
  if (last && nowMs >= last.startMs && nowMs < last.end) return last;
  const startMs = per === 'month' ? monthStart(nowMs) : dayStart(nowMs);
  const end = per === 'month' ? monthStart(startMs + MONTH_MS_MAX) : startMs + DAY_MS;
  const period = { start: dayOf(startMs), startMs, end };
  lastPeriods[per] = period;
  return period;
}

const dayStart = (nowMs: number) => nowMs - (nowMs % DAY_MS);

function monthStart(nowMs: number): number {
  const date = new Date(nowMs);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1);
}

const dayOf = (ms: number) => new Date(ms).toISOString().slice(0, 'yyyy-mm-dd'.length);

function sumSince(days: readonly TokensOfDay[], start: string): number {
  let sum = 0;
  for (const { day, tokens } of days) if (day >= start) sum += tokens;
  return sum;
}
