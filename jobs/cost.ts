const PER_TOKENS = 1_000_000;

/** What these tokens cost at a price per million, in the price's currency. */
export function costOf(
  usage: { inputTokens: number; outputTokens: number },
  price: { input: number; output: number },
): number {
  return (usage.inputTokens * price.input + usage.outputTokens * price.output) / PER_TOKENS;
}
