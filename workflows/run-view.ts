import { AppError } from '../core/errors.ts';
import type { Json } from '../core/json-value.ts';
import type { Plan } from './plan.ts';
import { type GraphStep, graphOf, type RunGraph, type StepList } from './run-graph.ts';
import type { KeptSignal, RunFacts, StepState } from './run-state.ts';
import type { Step } from './step.ts';
import { itemBody, namedBody, turnBody, withoutIndexes } from './step-key.ts';
import { createScope, type ScopeSource } from './step-scope.ts';
import type { StepTable } from './step-table.ts';

interface RunViewParts {
  plan: Plan;
  id: string;
  input: Json;
  facts: RunFacts;
  table: StepTable;
  kept: readonly KeptSignal[];
}

/** What the body of a branch's `else` is called. */
export const ELSE = 'else';

/** A run as `decide` reads it. */
export class RunView implements ScopeSource {
  readonly plan: Plan;
  readonly graph: RunGraph;
  readonly id: string;
  readonly input: Json;
  readonly table: StepTable;
  facts: RunFacts;
  kept: readonly KeptSignal[];
  readonly #items = new Map<string, { at: StepState; items: readonly Json[] }>();

  constructor({ plan, id, input, facts, table, kept }: RunViewParts) {
    this.plan = plan;
    this.graph = graphOf(plan);
    this.id = id;
    this.input = input;
    this.table = table;
    this.facts = facts;
    this.kept = kept;
  }

  step(key: string): StepState | undefined {
    return this.table.get(key);
  }

  /**
   * The list that the map goes over: not stored, since it follows from steps that have ended before the map began.
   * Throws AppError `invalid_request`.
   */
  itemsOf(map: string): readonly Json[] {
    const at = this.step(map);
    const known = this.#items.get(map);
    if (at && known?.at === at) return known.items;
    const items = evaluateItems(this, map);
    if (at) this.#items.set(map, { at, items });
    return items;
  }

  outputOf(body: string): Json {
    return this.step(body + listOf(this.graph, body).last.id)?.output ?? null;
  }
}

/** The list of steps that is at work in the body. Throws for a body that the plan does not know. */
export function listOf(graph: RunGraph, body: string): StepList {
  const list = graph.lists.get(withoutIndexes(body));
  if (!list) throw new Error(`The plan has no list for ${body}.`);
  return list;
}

/** The step's place in the plan. Throws for a step that the plan does not know. */
export function graphStepOf(graph: RunGraph, key: string): GraphStep {
  const step = graph.steps.get(withoutIndexes(key));
  if (!step) throw new Error(`The plan has no step for ${key}.`);
  return step;
}

function evaluateItems(view: RunView, map: string): Json[] {
  const { over } = graphStepOf(view.graph, map).planned.compiled;
  const items = over?.evaluate(createScope(view, map));
  if (Array.isArray(items)) return items;
  throw new AppError('invalid_request', 'What a map goes over must be a list.');
}

/** The bodies of a container that have been made, in order; none for any other step. */
export function bodiesOf(view: RunView, key: string): string[] {
  const { bodies } = view.table.container(key);
  if (bodies === 0) return [];
  const { step } = graphStepOf(view.graph, key).planned;
  const count = { length: bodies };
  if (step.type === 'map') return Array.from(count, (_, index) => itemBody(key, index));
  if (step.type === 'loop') return Array.from(count, (_, index) => turnBody(key, index));
  return namesOf(step)
    .map((name) => namedBody(key, name))
    .filter((body) => view.table.body(body).total > 0);
}

function namesOf(step: Step): string[] {
  if (step.type === 'parallel') return Object.keys(step.branches);
  if (step.type === 'branch') return [...step.cases.keys()].map(String).concat(ELSE);
  return [];
}
