import { expect, test } from '@jest/globals';
import { countTerms, textTerms } from '../../rag/text-terms.ts';

test('words are found by their stem, in lower case and without stop words', () => {
  expect(textTerms('The Foxes are RUNNING into relational generalizations')).toEqual([
    ...['fox', 'run', 'relat', 'gener'],
  ]);
});

test('possessives, apostrophes and numbers are read as one word', () => {
  expect(textTerms("Alice's cats don't cost 3.14 or 1,000 (COVID-19)")).toEqual([
    ...['alic', 'cat', "don't", 'cost', '3.14', '1,000', 'covid', '19'],
  ]);
});

test('forms of the same letter are the same term', () => {
  expect(textTerms('ﬁle Ｆｉｌｅ FILE')).toEqual(['file', 'file', 'file']);
  expect(textTerms('Éclair e\u0301clair')).toEqual(['éclair', 'éclair']);
});

test('text without spaces between words is found by one character or by two', () => {
  const terms = textTerms('東京都');
  expect(terms).toEqual(['東', '京', '東京', '都', '京都']);
  expect(textTerms('都')).toEqual(['都']);
});

test('what is no word gives no term, and a long one is cut', () => {
  expect(textTerms('— … !!! 🎉 \u0000 \ud800')).toEqual([]);
  const [term] = textTerms('x'.repeat(10_000));
  expect(term).toHaveLength(64);
  expect(textTerms('𝒳'.repeat(100)).join('').isWellFormed()).toBe(true);
});

test('a title counts with its text, and nothing is no title', () => {
  expect(countTerms(['Red car', null, 'the red one'])).toEqual(
    new Map([
      ['red', 2],
      ['car', 1],
      ['on', 1],
    ]),
  );
});

test('a megabyte takes no longer than its words', () => {
  const started = performance.now();
  expect(textTerms("a'".repeat(500_000)).length).toBeLessThan(500_001);
  expect(textTerms('1.'.repeat(500_000)).length).toBeGreaterThan(0);
  expect(performance.now() - started).toBeLessThan(5_000);
});
