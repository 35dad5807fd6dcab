import { describe, expect, test } from '@jest/globals';
import { createPlanCache } from '../../workflows/plan-cache.ts';
import { flow, give, planOf } from './definitions.ts';

const definitionOf = (id: string) => planOf(flow([give(id)])).definition;

describe('the cache of plans', () => {
  test('gives the plan that it was given', () => {
    const cache = createPlanCache();

    const plan = cache.add(definitionOf('a'));

    expect(cache.get(plan.hash)).toBe(plan);
    expect(cache.get('other')).toBeNull();
  });

  test('keeps those that were used last', () => {
    const cache = createPlanCache({ plansMax: 2 });
    const [first, second] = [cache.add(definitionOf('a')), cache.add(definitionOf('b'))];

    cache.get(first.hash);
    const third = cache.add(definitionOf('c'));

    expect([first, second, third].map(({ hash }) => cache.get(hash)?.hash ?? null)).toEqual([
      first.hash,
      null,
      third.hash,
    ]);
  });

  test('keeps nothing of a definition that is not valid', () => {
    expect(() => createPlanCache().add({ name: 'x', steps: [] })).toThrow(
      expect.objectContaining({ code: 'invalid_request' }),
    );
  });
});
