import { costOf, type Price } from './cost.ts';
import { priceIn } from './price-list.ts';
import type { UsageRow } from './usage-store.ts';

/** Per million tokens. */
export type Prices = Readonly<Record<string, Price>>;

export interface UsageSum {
  requests: number;
  failed: number;
  inputTokens: number;
  outputTokens: number;
  /** Of the tokens whose model has a price. */
  cost: number;
  /** Tokens of models without one. */
  unpricedTokens: number;
}

/** The sums of each group, the dearest first, then those of most tokens. */
export function sumByName(rows: readonly UsageRow[], prices: Prices): ({ name: string | null } & UsageSum)[] {
  const groups = Map.groupBy(rows, ({ name }) => name);
  return Array.from(groups, ([name, ones]) => ({ name, ...sumUp(ones, prices) })).sort(
    (a, b) => b.cost - a.cost || b.inputTokens + b.outputTokens - a.inputTokens - a.outputTokens,
  );
}

export function sumUp(rows: readonly UsageRow[], prices: Prices): UsageSum {
  const sum = { requests: 0, failed: 0, inputTokens: 0, outputTokens: 0, cost: 0, unpricedTokens: 0 };
  for (const row of rows) {
    const price = priceIn(prices, row.model);
    sum.requests += row.requests;
    sum.failed += row.failed;
    sum.inputTokens += row.inputTokens;
    sum.outputTokens += row.outputTokens;
    if (price) sum.cost += costOf(row, price);
    else sum.unpricedTokens += row.inputTokens + row.outputTokens;
  }
  return sum;
}
