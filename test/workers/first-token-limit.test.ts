import { expect, test } from '@jest/globals';
import { firstTokenLimit } from '../../workers/first-token-limit.ts';

test.each([
  ['the first call has the whole limit', 10_000, 0, true, 10_000],
  ['after one server that hung, another has the rest of 15 s', 10_000, 10_000, true, 5_000],
  ['a quick failure takes nothing from the next', 10_000, 100, true, 10_000],
  ['the last server that can be asked has the whole limit', 10_000, 10_000, false, 10_000],
  ['nobody is asked for less than a second', 10_000, 14_900, true, 1_000],
  ['a limit above 15 s is spent once', 60_000, 40_000, true, 20_000],
  ['a limit below a second stays what it is', 400, 14_900, true, 400],
])('%s', (_, firstTokenMs, failingMs, hasAlternative, expected) => {
  expect(firstTokenLimit({ firstTokenMs, failingMs, hasAlternative })).toBe(expected);
});
