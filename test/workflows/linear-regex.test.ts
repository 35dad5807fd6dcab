import { describe, expect, test } from '@jest/globals';
import { createLinearRegex } from '../../workflows/linear-regex.ts';

const invalid = expect.objectContaining({ code: 'invalid_request' });

describe('a pattern', () => {
  test('is found anywhere in the text', () => {
    const regex = createLinearRegex('(?i)refund|complaint');

    expect([regex.test('A Refund, please'), regex.test('thanks')]).toEqual([true, false]);
  });

  test('of a JSON Schema is read as ECMAScript writes it', () => {
    const regex = createLinearRegex('^\\/a\\u0062(?<rest>\\d+)$', 'ecma');

    expect([regex.test('/ab12'), regex.test('/ab')]).toEqual([true, false]);
  });

  test.each(['(', '(?=a)', '(a)\\1', '[z-a]', 'a{2000}', '((a{1,100}){1,10}){1,10}', 'a'.repeat(1_001)])(
    'that RE2 does not know, or that is too large, is refused: %.30s',
    (pattern) => {
      expect(() => createLinearRegex(pattern)).toThrow(invalid);
    },
  );

  test.each(['(a+)+$', '^(a|a)*$', '^([a-zA-Z]+)*$', '(.*a){20}$'])(
    'that explodes elsewhere takes time that grows with the text: %s',
    (pattern) => {
      const startedMs = performance.now();

      expect(createLinearRegex(pattern).test(`${'a'.repeat(5_000)}!`)).toBe(false);
      expect(performance.now() - startedMs).toBeLessThan(1_000);
    },
  );
});
