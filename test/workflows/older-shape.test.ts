import { describe, expect, test } from '@jest/globals';
import { normaliseDefinition } from '../../workflows/older-shape.ts';

describe('the older shape', () => {
  test('is read as the present one', () => {
    expect(
      normaliseDefinition({
        name: 'old',
        steps: [
          { id: 'a', action: 'chat', model: 'phi3', messages: [], retry_count: 2, timeout: 30 },
          { id: 'b', action: 'transform', value: 1, dependencies: ['a'], timeout: 1.5 },
        ],
      }),
    ).toEqual({
      name: 'old',
      steps: [
        { id: 'a', type: 'chat', model: 'phi3', messages: [], retry: { max: 2 }, timeout: '30s' },
        { id: 'b', type: 'transform', value: 1, after: ['a'], timeout: '1500ms' },
      ],
    });
  });

  test('may be mixed with the present one', () => {
    const step = {
      id: 'a',
      type: 'emit',
      after: ['x'],
      dependencies: ['y', 'x'],
      retry: { delay: '1s' },
      retry_count: 1,
    };

    expect(normaliseDefinition({ steps: [step] })).toEqual({
      steps: [{ id: 'a', type: 'emit', after: ['x', 'y'], retry: { max: 1, delay: '1s' } }],
    });
  });

  test('is found in every list of steps', () => {
    const old = { id: 'x', action: 'fail', message: 'm' };
    const present = { id: 'x', type: 'fail', message: 'm' };
    const within = (step: unknown) => ({
      steps: [
        { type: 'map', steps: [step] },
        { type: 'branch', cases: [{ when: 'true', steps: [step] }], else: [step] },
        { type: 'parallel', branches: { b: [step] } },
        { type: 'emit', compensate: step },
      ],
      on_failure: [step],
    });

    expect(normaliseDefinition(within(old))).toEqual(within(present));
  });

  test('of a compensation needs no id', () => {
    expect(normaliseDefinition({ steps: [{ compensate: { action: 'emit' } }] })).toEqual({
      steps: [{ compensate: { id: 'compensate', type: 'emit' } }],
    });
  });

  test.each([
    null,
    5,
    'text',
    [],
    { steps: 5 },
    { steps: [null, 5, [], { steps: {}, cases: 1, branches: [], compensate: 2 }] },
    {
      steps: [{ type: 'a', action: 'b', dependencies: 5, after: [], retry: 3, retry_count: 1, timeout: -1 }],
    },
    { steps: [{ type: 'a', timeout: '5s' }], on_failure: 'x' },
  ])('leaves what it cannot read to the schema: %j', (json) => {
    expect(normaliseDefinition(json)).toEqual(json);
  });

  test('read twice is read once', () => {
    const once = normaliseDefinition({
      steps: [{ action: 'emit', timeout: 3, retry_count: 1, dependencies: [] }],
    });

    expect(normaliseDefinition(once)).toEqual(once);
  });
});
