// Random definitions, and a model of what they come to that has nothing in common with the engine: it evaluates a
// definition from top to bottom, as if nothing took any time.
import fc from 'fast-check';
import type { Json } from '../../core/json-value.ts';

interface Node {
  /** Siblings before it, counted backwards; null: none named. */
  after: number[] | null;
  isSkipped: boolean;
  body:
    | { kind: 'call'; retries: number }
    | { kind: 'give' }
    | { kind: 'sleep'; ms: number }
    | { kind: 'map'; items: number; concurrency: number; tolerate: number; steps: Node[] }
    | { kind: 'loop'; enough: number; max: number; steps: Node[] }
    | { kind: 'parallel'; branches: Node[][] }
    | { kind: 'branch'; taken: number; cases: Node[][] };
}

export const RandomNodes: fc.Arbitrary<Node[]> = fc.letrec<{ steps: Node[] }>((tie) => {
  const steps = tie('steps');
  const body: fc.Arbitrary<Node['body']> = fc.oneof(
    { maxDepth: 3, depthIdentifier: 'run' },
    fc.record({ kind: fc.constant('call' as const), retries: fc.nat(2) }),
    fc.record({ kind: fc.constant('give' as const) }),
    fc.record({ kind: fc.constant('sleep' as const), ms: fc.nat(5_000) }),
    fc.record({
      kind: fc.constant('map' as const),
      items: fc.nat(5),
      concurrency: fc.integer({ min: 1, max: 3 }),
      tolerate: fc.nat(2),
      steps,
    }),
    fc.record({
      kind: fc.constant('loop' as const),
      enough: fc.nat(3),
      max: fc.integer({ min: 1, max: 3 }),
      steps,
    }),
    fc.record({
      kind: fc.constant('parallel' as const),
      branches: fc.array(steps, { minLength: 1, maxLength: 3 }),
    }),
    fc.record({
      kind: fc.constant('branch' as const),
      taken: fc.nat(2),
      cases: fc.array(steps, { minLength: 1, maxLength: 2 }),
    }),
  );
  const node = fc.record({
    after: fc.option(fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 2 })),
    isSkipped: fc.nat(9).map((number) => number === 0),
    body,
  });
  return { steps: fc.array(node, { minLength: 1, maxLength: 4, depthIdentifier: 'run' }) };
}).steps;

export interface RandomStep {
  id: string;
  type: string;
  after?: string[];
  when?: string;
  [field: string]: unknown;
}

/** The definition's steps, with ids that occur once. */
export function toSteps(nodes: readonly Node[]): RandomStep[] {
  let count = 0;
  const list = (siblings: readonly Node[], names: readonly string[]): RandomStep[] => {
    const ids = siblings.map(() => `s${count++}`);
    return siblings.map(({ after, isSkipped, body }, index) => ({
      id: ids[index] ?? '',
      ...(after ? { after: [...new Set(after.flatMap((back) => ids[index - back] ?? []))] } : {}),
      ...(isSkipped ? { when: 'false' } : {}),
      ...fieldsOf(body, names),
    }));
  };
  const fieldsOf = (
    body: Node['body'],
    names: readonly string[],
  ): { type: string } & Record<string, unknown> => {
    switch (body.kind) {
      case 'call':
        return { ...CALL, retry: { max: body.retries, delay: '1s' } };
      case 'give':
        return { type: 'transform', value: names.map((name) => `\${{ ${name} }}`) };
      case 'sleep':
        return { type: 'sleep', for: `${body.ms}ms` };
      case 'map': {
        const over = Array.from({ length: body.items }, (_, index) => `item ${index}`);
        const steps = list(body.steps, ['item', 'index', ...names.filter((name) => name === 'loop.index')]);
        return { type: 'map', over, concurrency: body.concurrency, tolerate: body.tolerate, steps };
      }
      case 'loop': {
        const steps = list(body.steps, [...names.filter((name) => name !== 'loop.index'), 'loop.index']);
        return { type: 'loop', until: `loop.index >= ${body.enough}`, max_iterations: body.max, steps };
      }
      case 'parallel':
        return {
          type: 'parallel',
          branches: Object.fromEntries(
            body.branches.map((steps, index) => [`b${index}`, list(steps, names)]),
          ),
        };
      case 'branch':
        return {
          type: 'branch',
          cases: body.cases.map((steps, index) => ({
            when: index === body.taken ? 'true' : 'false',
            steps: list(steps, names),
          })),
        };
    }
  };
  return list(nodes, []);
}

const CALL = { type: 'http', method: 'POST', url: 'https://example.com/' };

export type Outcome = 'ok' | 'transient' | 'lost' | 'rate_limited';

/** With this seed every attempt succeeds. */
export const WELL = -1;

/** What an attempt comes to: the same for the same seed, whenever it is asked. */
export function outcomeOf(seed: number, key: string, attempt: number): Outcome {
  if (seed === WELL || attempt > 6) return 'ok';
  const roll = hash(`${seed} ${key} ${attempt}`) % 100;
  if (roll < 8) return 'transient';
  if (roll < 15) return 'lost';
  return roll < 22 ? 'rate_limited' : 'ok';
}

function hash(text: string): number {
  let value = 2_166_136_261;
  for (const char of text) value = Math.imul(value ^ char.charCodeAt(0), 16_777_619) >>> 0;
  return value ^ (value >>> 13);
}

export type Expected = { failed: true } | { failed: false; output: Json };

interface Place {
  seed: number;
  prefix: string;
  names: Record<string, Json>;
}

export const expectRun = (steps: readonly RandomStep[], seed: number): Expected =>
  expectList(steps, { seed, prefix: '', names: {} }, false);

type StepResult = Expected | 'skipped' | 'never';

function expectList(steps: readonly RandomStep[], place: Place, isSequence: boolean): Expected {
  const results = new Map<string, StepResult>();
  let before: string | null = null;
  for (const step of steps) {
    const named = step.after ?? [];
    const waits = step.after === undefined && isSequence && before !== null ? [before] : named;
    results.set(
      step.id,
      expectStep(
        step,
        place,
        waits.map((id) => results.get(id) ?? 'never'),
        named.length > 0,
      ),
    );
    before = step.id;
  }
  if ([...results.values()].some((result) => result === 'never' || isFailed(result))) return { failed: true };
  const last = [...results.values()].at(-1);
  return { failed: false, output: typeof last === 'object' && !last.failed ? last.output : null };
}

const isFailed = (result: StepResult) => typeof result === 'object' && result.failed;

function expectStep(step: RandomStep, place: Place, waits: StepResult[], isNamed: boolean): StepResult {
  if (waits.some((result) => result === 'never' || isFailed(result))) return 'never';
  if (isNamed && waits.every((result) => result === 'skipped')) return 'skipped';
  if (step.when === 'false') return 'skipped';
  const key = place.prefix + step.id;
  const inside = (prefix: string, names: Record<string, Json> = {}): Place => ({
    seed: place.seed,
    prefix,
    names: { ...place.names, ...names },
  });
  const list = (value: unknown, at: Place) => expectList(value as RandomStep[], at, true);
  switch (step.type) {
    case 'http':
      return expectCall(place.seed, key, (step.retry as { max: number }).max);
    case 'transform':
      return {
        failed: false,
        output: (step.value as string[]).map((text) => place.names[text.slice(4, -3)] ?? null),
      };
    case 'sleep':
      return { failed: false, output: null };
    case 'map': {
      const results = (step.over as string[]).map((item, index) =>
        list(step.steps, inside(`${key}[${index}]/`, { item, index })),
      );
      if (results.filter(isFailed).length > (step.tolerate as number)) return { failed: true };
      return { failed: false, output: results.map((result) => (result.failed ? null : result.output)) };
    }
    case 'loop':
      return expectLoop(step, (turn) => list(step.steps, inside(`${key}#${turn}/`, { 'loop.index': turn })));
    case 'parallel': {
      const results = Object.entries(step.branches as Record<string, unknown>).map(
        ([name, steps]) => [name, list(steps, inside(`${key}/${name}/`))] as const,
      );
      if (results.some(([, result]) => result.failed)) return { failed: true };
      const outputs = results.map(([name, result]) => [name, result.failed ? null : result.output]);
      return { failed: false, output: Object.fromEntries(outputs) };
    }
    default: {
      const cases = step.cases as { when: string; steps: unknown }[];
      const taken = cases.findIndex(({ when }) => when === 'true');
      if (taken < 0) return { failed: false, output: null };
      return list(cases[taken]?.steps, inside(`${key}/${taken}/`));
    }
  }
}

function expectCall(seed: number, key: string, retries: number): Expected {
  let failures = 0;
  for (let attempt = 1; ; attempt += 1) {
    const outcome = outcomeOf(seed, key, attempt);
    if (outcome === 'ok') return { failed: false, output: key };
    if (outcome === 'transient') failures += 1;
    if (failures > retries) return { failed: true };
  }
}

function expectLoop(step: RandomStep, turn: (index: number) => Expected): Expected {
  const enough = Number(String(step.until).slice('loop.index >= '.length));
  const turns = Math.min(enough + 1, step.max_iterations as number);
  let last: Expected = { failed: false, output: null };
  for (let index = 0; index < turns && !last.failed; index += 1) last = turn(index);
  return last;
}
