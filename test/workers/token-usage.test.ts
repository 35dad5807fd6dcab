import { expect, test } from '@jest/globals';
import { readUsage } from '../../workers/token-usage.ts';

test.each([
  [{ prompt_tokens: 3, completion_tokens: 0, total_tokens: 3 }, 3, 0],
  [{ prompt_tokens: 3 }, 3, null],
  [{ prompt_tokens: '3', completion_tokens: 4 }, null, 4],
  [{ prompt_tokens: -1, completion_tokens: 1.5 }, null, null],
  [{ prompt_tokens: null, completion_tokens: null }, null, null],
  [null, null, null],
  [undefined, null, null],
  ['many', null, null],
])('a usage of %j has the counts %p and %p', (usage, promptTokens, completionTokens) => {
  expect(readUsage(usage)).toEqual({ promptTokens, completionTokens });
});
