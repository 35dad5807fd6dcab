import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type Plan, planDefinition } from '../../workflows/plan.ts';
import { describePlan } from '../../workflows/plan-view.ts';
import { cyclesOf, layersOf } from '../../workflows/step-order.ts';
import { flow, give, problemsOf } from './definitions.ts';

const Id = fc.integer({ min: 0, max: 30 }).map((number) => `s${number}`);

/** `usual` nine times out of ten. */
const mostly = <T, U>(usual: fc.Arbitrary<T>, odd: fc.Arbitrary<U>) =>
  fc.oneof({ weight: 9, arbitrary: usual }, { weight: 1, arbitrary: odd });

const Cel = mostly(
  fc.constantFrom('true', 'input.x == 1', 'input.?y.orValue(2) > 1'),
  fc.oneof(
    Id.map((id) => `steps.${id}.output`),
    fc.constantFrom('item', 'index + 1', 'loop.index > 2', '1 +', 'nope', '"a" + 1'),
  ),
);
const Value = fc.oneof(
  Cel.map((source) => `\${{ ${source} }}`),
  fc.jsonValue({ maxDepth: 2 }),
);
const Timeout = mostly(fc.constantFrom('5s', 30), fc.constant('soon'));
const List = fc.constant(['${{ input }}']);

/** Steps most of which are right. */
const Steps = fc.letrec<{ steps: unknown[]; step: unknown }>((tie) => {
  const steps = tie('steps');
  const common = {
    after: fc.array(Id, { maxLength: 1 }),
    when: Cel,
    retry: fc.constantFrom({ max: 2 }, { max: -1 }, 3),
    timeout: Timeout,
    cache: fc.constantFrom({ ttl: '1h', key: '${{ input.k }}' }, {}),
    output: fc.constantFrom({ schema: { type: 'number' } }, { schema: { type: 'x' } }),
    compensate: tie('step'),
    odd: fc.anything(),
  };
  const branches = fc.dictionary(Id, steps, { minKeys: 1, maxKeys: 2 });
  const cases = fc.array(fc.record({ when: Cel, steps }), { minLength: 1, maxLength: 2 });
  const own: fc.Arbitrary<object>[] = [
    fc.record({ type: fc.constant('transform'), value: Value }),
    fc.record({ type: fc.constant('chat'), model: fc.constant('phi3'), messages: List }),
    fc.record({ type: fc.constant('map'), over: List, steps }),
    fc.record({ type: fc.constant('loop'), until: Cel, max_iterations: fc.nat(9).map((n) => n + 1), steps }),
    fc.record({ type: fc.constant('branch'), cases, else: steps }, { requiredKeys: ['type', 'cases'] }),
    fc.record({ type: fc.constant('parallel'), branches }),
    fc.record({ action: fc.constantFrom('emit', 'fail', 'nonsense'), event: Value, retry_count: fc.nat(3) }),
  ];
  const extra = mostly(fc.constant({}), fc.record(common, { requiredKeys: [] }));
  const whole = fc
    .tuple(Id, fc.oneof({ maxDepth: 3, depthIdentifier: 'step' }, ...own), extra)
    .map(([id, step, more]) => ({ id, ...step, ...more }));
  return {
    steps: fc.array(tie('step'), { minLength: 1, maxLength: 3, depthIdentifier: 'step' }),
    step: fc.oneof({ weight: 30, arbitrary: whole }, { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 1 }) }),
  };
}).steps;

/** `after` names earlier places of a random order only, so that there is no cycle. */
const Acyclic = fc.array(fc.array(fc.nat(), { maxLength: 4 }), { minLength: 1, maxLength: 40 }).map((rows) =>
  rows.map((row, index) => ({
    id: `s${index}`,
    after: index === 0 ? [] : [...new Set(row.map((number) => `s${number % index}`))],
  })),
);

function expectOrdered(plan: Plan): void {
  const { order } = describePlan(plan);
  const place = new Map(order.flatMap((ids, index) => ids.map((id) => [id, index] as const)));
  expect(place.size).toBe(plan.definition.steps.length);
  for (const { id } of plan.definition.steps) {
    for (const other of plan.steps.get(id)?.after ?? []) {
      expect(place.get(other)).toBeLessThan(place.get(id) ?? -1);
    }
  }
}

describe('whatever a definition says', () => {
  test('planning gives a plan or problems with paths, and never throws', () => {
    let valid = 0;
    fc.assert(
      fc.property(Steps, mostly(fc.constant({}), fc.dictionary(fc.string(), Value)), (steps, others) => {
        const planning = planDefinition({ ...others, name: 'random', steps });
        if (planning.valid) {
          valid += 1;
          expectOrdered(planning.plan);
        } else {
          expect(planning.errors.length).toBeGreaterThan(0);
          for (const { path } of planning.errors) expect(path).toMatch(/^\$/);
        }
      }),
      { numRuns: 500 },
    );
    expect(valid).toBeGreaterThan(20);
  });

  test('any JSON at all is a plan or problems', () => {
    fc.assert(fc.property(fc.jsonValue({ maxDepth: 6 }), (json) => void planDefinition(json)));
  });
});

describe('a random graph', () => {
  test('without cycles is planned in an order in which each step comes after those it waits for', () => {
    fc.assert(
      fc.property(Acyclic, fc.infiniteStream(fc.nat()), (rows, numbers) => {
        const shuffled = rows
          .map((row) => ({ row, at: numbers.next().value ?? 0 }))
          .sort((a, b) => a.at - b.at);
        const planning = planDefinition(
          flow(shuffled.map(({ row }) => give(row.id, null, { after: row.after }))),
        );

        expect(planning).toMatchObject({ valid: true });
        if (planning.valid) expectOrdered(planning.plan);
      }),
      { numRuns: 200 },
    );
  });

  test('has a cycle exactly when it cannot be put in order, and the cycle that is named is one', () => {
    const Graph = fc.array(fc.array(fc.nat(9), { maxLength: 3 }), { minLength: 1, maxLength: 10 });

    fc.assert(
      fc.property(Graph, (rows) => {
        const ids = rows.map((_, index) => `s${index}`);
        const graph = new Map<string, ReadonlySet<string>>(
          rows.map(
            (row, index) => [`s${index}`, new Set(row.map((n) => ids[n % ids.length] ?? 's0'))] as const,
          ),
        );
        const cycles = cyclesOf(graph);
        const steps = [...graph].map(([id, after]) => give(id, null, { after: [...after] }));

        expect(cycles.length > 0).toBe(layersOf(graph).flat().length < ids.length);
        expect(problemsOf(flow(steps))).toHaveLength(cycles.length);
        for (const cycle of cycles) {
          for (const [at, id] of cycle.entries()) {
            expect(graph.get(id)?.has(cycle[(at + 1) % cycle.length] ?? '')).toBe(true);
          }
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
