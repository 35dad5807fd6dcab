/** What a model costs, per million tokens, in the operator's currency. */
export interface Price {
  input: number;
  output: number;
}

interface Usage {
  inputTokens: number;
  outputTokens: number;
}

const TOKENS_PER_PRICE = 1_000_000;

export function costOf({ inputTokens, outputTokens }: Usage, { input, output }: Price): number {
  return (inputTokens * input + outputTokens * output) / TOKENS_PER_PRICE;
}
