import { expect, test } from '@jest/globals';
import { parseQrels } from '../../bench/eval/collection-files.ts';
import { ndcg, recall } from '../../bench/eval/metrics.ts';

const judged = new Map([
  ['a', 2],
  ['b', 1],
  ['c', 0],
]);

test('nDCG is what it is worked out to by hand', () => {
  // Best: 2/1 + 1/log2(3) = 2.6309.
  expect(ndcg(['a', 'b'], judged)).toBe(1);
  // 1/1 + 2/log2(3) = 2.2619.
  expect(ndcg(['b', 'a'], judged)).toBeCloseTo(0.8597, 4);
  // 2/log2(4) = 1.
  expect(ndcg(['x', 'c', 'a'], judged)).toBeCloseTo(0.3801, 4);
  expect(ndcg(['x', 'a'], judged, 1)).toBe(0);
  expect(ndcg(['a'], new Map())).toBe(0);
});

test('recall counts what is relevant among the first', () => {
  expect(recall(['x', 'b', 'c'], judged)).toBe(0.5);
  expect(recall(['b', 'a'], judged)).toBe(1);
  expect(recall(['x', 'b'], judged, 1)).toBe(0);
});

test("judgements are read in TREC's form and in BEIR's", () => {
  const expected = new Map([
    [
      'q1',
      new Map([
        ['d1', 1],
        ['d2', 0],
      ]),
    ],
    ['q2', new Map([['d1', 2]])],
  ]);

  expect(parseQrels('q1 0 d1 1\nq1 0 d2 0\nq2 0 d1 2\n')).toEqual(expected);
  expect(parseQrels('query-id\tcorpus-id\tscore\nq1\td1\t1\nq1\td2\t0\nq2\td1\t2')).toEqual(expected);
});
