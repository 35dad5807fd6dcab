import { parseDuration } from './duration.ts';
import type { Plan, PlannedStep } from './plan.ts';
import { bodyOf, compensationOf, idOf, ROOT_BODY } from './step-key.ts';

/** A list of steps, as the engine walks it. */
export interface StepList {
  steps: GraphStep[];
  roots: GraphStep[];
  /** Its output is the list's. */
  last: GraphStep;
}

export interface GraphStep {
  id: string;
  planned: PlannedStep;
  /** Ids of siblings. */
  after: string[];
  /** Of `after`, those that the definition names; not the one that a step without `after` follows in a body. */
  namedAfter: string[];
  /** Ids of the steps that its own expressions read. */
  reads: string[];
  dependents: GraphStep[];
  /** When the step is to be woken, if it still waits then. */
  timeLimit: { afterMs: number } | null;
}

/** A plan in the order in which the engine asks for it: by list. */
export interface RunGraph {
  /** By body without indexes: '', 'fan/', 'pick/0/', 'par/left/', 'on_failure/', 'pay~compensate/'. */
  lists: ReadonlyMap<string, StepList>;
  steps: ReadonlyMap<string, GraphStep>;
  /** Paths of the steps that have a compensation. */
  compensables: ReadonlySet<string>;
}

const graphs = new WeakMap<Plan, RunGraph>();

export function graphOf(plan: Plan): RunGraph {
  const known = graphs.get(plan);
  if (known) return known;
  const graph = createGraph(plan);
  graphs.set(plan, graph);
  return graph;
}

function createGraph(plan: Plan): RunGraph {
  const steps = new Map<string, GraphStep>();
  const byList = new Map<string, GraphStep[]>();
  for (const planned of plan.steps.values()) {
    const step = createStep(planned);
    steps.set(planned.path, step);
    const list = bodyOf(planned.path);
    const siblings = byList.get(list);
    if (siblings) siblings.push(step);
    else byList.set(list, [step]);
  }
  const lists = new Map(Array.from(byList, ([list, siblings]) => [list, createList(siblings)]));
  const compensables = new Set([...steps.keys()].filter((path) => steps.has(compensationOf(path))));
  return { lists, steps, compensables };
}

function createStep(planned: PlannedStep): GraphStep {
  const { path, step, compiled } = planned;
  const id = idOf(path);
  const after = planned.after.map(idOf);
  const reads = readsOf(compiled);
  const named = new Set([...(step.after ?? []), ...reads]);
  const isInOrder = bodyOf(path) !== ROOT_BODY && step.after === undefined;
  const namedAfter = isInOrder ? after.filter((sibling) => named.has(sibling)) : after;
  const timeLimit = step.timeout === undefined ? null : { afterMs: parseDuration(step.timeout) };
  return { id, planned, after, namedAfter, reads, dependents: [], timeLimit };
}

function readsOf({ when, fields, over, until, cases, cacheKey }: PlannedStep['compiled']): string[] {
  const expressions = [when, fields, over, until, cacheKey, ...(cases ?? [])];
  return [...new Set(expressions.flatMap((compiled) => compiled?.references ?? []).map(({ step }) => step))];
}

function createList(siblings: GraphStep[]): StepList {
  const byId = new Map(siblings.map((step) => [step.id, step]));
  for (const step of siblings) {
    for (const id of step.after) byId.get(id)?.dependents.push(step);
  }
  const [first] = siblings;
  const last = siblings.find((step) => step.planned.isLast) ?? first;
  if (!last) throw new Error('A list of steps is never empty.');
  return { steps: siblings, roots: siblings.filter((step) => step.after.length === 0), last };
}
