import { expect, test } from '@jest/globals';
import { costOf } from '../../jobs/cost.ts';
import { priceIn } from '../../jobs/price-list.ts';

test('a call costs its tokens by the prices per million', () => {
  const usage = { inputTokens: 2_000_000, outputTokens: 500_000 };

  expect(costOf(usage, { input: 3, output: 10 })).toBe(11);
  expect(costOf({ inputTokens: 0, outputTokens: 0 }, { input: 3, output: 10 })).toBe(0);
});

test('a price holds for a model and for its tags, and its own price comes before that', () => {
  const small = { input: 1, output: 1 };
  const large = { input: 2, output: 2 };
  const prices = { phi3: small, 'phi3:14b': large };

  expect(priceIn(prices, 'phi3')).toBe(small);
  expect(priceIn(prices, 'phi3:mini')).toBe(small);
  expect(priceIn(prices, 'phi3:14b')).toBe(large);
  expect(priceIn(prices, 'constructor')).toBeUndefined();
  expect(priceIn(prices, 'phi4')).toBeUndefined();
});
