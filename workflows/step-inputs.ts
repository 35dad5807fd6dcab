import type { Json } from '../core/json-value.ts';
import { canonicalJson } from './canonical-json.ts';
import { bodiesOf, graphStepOf, listOf, type RunView } from './run-view.ts';
import { createScope, createUntilScope } from './step-scope.ts';

/** Whether all that the step, and what it holds, has evaluated in one run comes to the same in the other. */
export function hasSameInputs(one: RunView, other: RunView, key: string): boolean {
  return isSame(one, other, key) && childrenOf(one, key).every((child) => hasSameInputs(one, other, child));
}

function isSame(one: RunView, other: RunView, key: string): boolean {
  try {
    return canonicalJson(inputsOf(one, key)) === canonicalJson(inputsOf(other, key));
  } catch {
    return false;
  }
}

/** Throws AppError where an expression fails. */
function inputsOf(run: RunView, key: string): Json {
  const { step, compiled } = graphStepOf(run.graph, key).planned;
  const scope = createScope(run, key);
  const when = compiled.when?.evaluate(scope) ?? null;
  if (run.step(key)?.status === 'skipped') return { when };
  return {
    when,
    fields: compiled.fields.evaluate(scope),
    items: step.type === 'map' ? [...run.itemsOf(key)] : null,
    taken: compiled.cases?.findIndex((condition) => condition.evaluate(scope) === true) ?? null,
    turns: turnsOf(run, key),
  };
}

/** For each turn of a loop, whether it was the last by the loop's condition. */
function turnsOf(run: RunView, key: string): Json {
  const { until } = graphStepOf(run.graph, key).planned.compiled;
  if (!until) return null;
  return bodiesOf(run, key).map((_, turn) => until.evaluate(createUntilScope(run, key, turn)));
}

/** Those that have evaluated something. */
function childrenOf(run: RunView, key: string): string[] {
  return bodiesOf(run, key)
    .flatMap((body) => listOf(run.graph, body).steps.map(({ id }) => body + id))
    .filter((child) => EVALUATED.includes(run.step(child)?.status));
}

const EVALUATED: readonly unknown[] = ['succeeded', 'skipped', 'failed'];
