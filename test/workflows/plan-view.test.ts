import { describe, expect, test } from '@jest/globals';
import { describePlan } from '../../workflows/plan-view.ts';
import { flow, give, planOf } from './definitions.ts';

const chat = (id: string, fields = {}) => ({
  id,
  type: 'chat',
  model: 'phi3',
  messages: ['${{ 1 }}'],
  ...fields,
});
const viewOf = (...steps: unknown[]) => describePlan(planOf(flow(steps)));

describe('the view of a plan', () => {
  test('lists the steps and the order of those at the top', () => {
    const fan = { id: 'fan', type: 'map', over: '${{ steps.b.output }}', steps: [give('x')] };

    expect(viewOf(give('a'), fan, give('b', null, { after: ['a'] }), give('c'))).toEqual({
      steps: [
        { id: 'a', path: 'a', type: 'transform', container: null, after: [] },
        { id: 'fan', path: 'fan', type: 'map', container: null, after: ['b'] },
        { id: 'x', path: 'fan/x', type: 'transform', container: 'fan', after: [] },
        { id: 'b', path: 'b', type: 'transform', container: null, after: ['a'] },
        { id: 'c', path: 'c', type: 'transform', container: null, after: [] },
      ],
      order: [['a', 'c'], ['b'], ['fan']],
      calls_max: 0,
    });
  });

  test.each<[string, unknown[], number | null]>([
    [
      'each chat and embedding once',
      [chat('a'), { id: 'b', type: 'embed', model: 'm', input: 'x' }, give('c')],
      2,
    ],
    [
      'a loop by its turns',
      [{ id: 'l', type: 'loop', until: 'true', max_iterations: 5, steps: [chat('a'), chat('b')] }],
      10,
    ],
    ['a written list by its items', [{ id: 'm', type: 'map', over: [1, 2, 3], steps: [chat('a')] }], 3],
    [
      'nothing by nobody knows how often',
      [{ id: 'm', type: 'map', over: '${{ input.l }}', steps: [give('a')] }],
      0,
    ],
    ['another list not at all', [{ id: 'm', type: 'map', over: '${{ input.l }}', steps: [chat('a')] }], null],
    ['another workflow not at all', [{ id: 'w', type: 'workflow', workflow: 'other' }], null],
    [
      'the dearest branch',
      [
        {
          id: 'pick',
          type: 'branch',
          cases: [{ when: 'true', steps: [chat('a')] }],
          else: [chat('b'), chat('c')],
        },
      ],
      2,
    ],
    [
      'all that runs beside each other',
      [{ id: 'p', type: 'parallel', branches: { l: [chat('a')], r: [chat('b')] } }],
      2,
    ],
  ])('counts %s', (_what, steps, expected) => {
    expect(viewOf(...steps).calls_max).toBe(expected);
  });

  test('counts what runs after a failure', () => {
    expect(describePlan(planOf(flow([chat('a')], { on_failure: [chat('b')] }))).calls_max).toBe(2);
  });
});
