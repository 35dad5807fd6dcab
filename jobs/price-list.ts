import type { Price } from './cost.ts';

/** What a model costs by `prices`, whose names count for models with a `:tag` too; undefined where nobody has said. */
export function priceIn(prices: Readonly<Record<string, Price>>, model: string): Price | undefined {
  if (Object.hasOwn(prices, model)) return prices[model];
  const colon = model.lastIndexOf(':');
  const name = colon > 0 ? model.slice(0, colon) : model;
  return Object.hasOwn(prices, name) ? prices[name] : undefined;
}
