import type { WorkflowDefinition } from './definition.ts';
import { memberPath } from './json-path.ts';
import type { Plan, PlannedStep } from './plan.ts';
import type { Problem } from './problem.ts';
import type { Step } from './step.ts';
import { createExpressionReader, type ExpressionReader, type ReadStep } from './step-expressions.ts';
import { listsOf, type StepList } from './step-lists.ts';
import { cyclesOf } from './step-order.ts';
import { readStep, type View } from './step-visibility.ts';
import { worstCaseSteps } from './worst-case.ts';

/** A definition's steps, planned, and what is wrong with them. */
interface PlannedSteps extends Pick<Plan, 'steps' | 'output' | 'concurrencyKey'> {
  problems: Problem[];
}

const STEPS_MAX = 1_000;
const NESTING_MAX = 8;
/** Looking for the name that was meant takes time, and nobody reads on. */
const PROBLEMS_MAX = 100;
const RUN_STEPS_MAX = 1_000_000;
const FAILURE_LIST = 'on_failure';
const TOP_NAMES = ['input', 'steps', 'run'];

interface Planning {
  problems: Problem[];
  reader: ExpressionReader;
  steps: Map<string, PlannedStep>;
  /** The ids of steps in bodies, each with the id of the step whose body it is. */
  containers: Map<string, string>;
  count: number;
}

/** Where a list stands: what its steps can see beyond it. */
interface Surroundings {
  container: { id: string; path: string } | null;
  names: readonly string[];
  view: View;
  depth: number;
}

/** Plans the steps of a definition whose shape is right. */
export function planSteps(definition: WorkflowDefinition): PlannedSteps {
  const problems: Problem[] = [];
  const reader = createExpressionReader(problems);
  const planning: Planning = { problems, reader, steps: new Map(), containers: new Map(), count: 0 };
  const top: StepList = { steps: definition.steps, prefix: '', at: '$.steps', isSequence: false, names: [] };
  noteContainers(planning, definition);
  if (planning.count > STEPS_MAX) {
    problems.push({
      path: '$.steps',
      message: `a definition has at most ${STEPS_MAX} steps, those in bodies counted`,
    });
    return { steps: planning.steps, problems };
  }
  planList(planning, top, { container: null, names: TOP_NAMES, view: [], depth: 0 });
  const ended: View = [{ ids: idsOf(definition.steps), from: null, waits: null }];
  if (definition.on_failure) planFailureHandling(planning, definition.on_failure, ended);
  if (worstCaseSteps(definition.steps) > RUN_STEPS_MAX) {
    problems.push({ path: '$.steps', message: `loops in loops may run more than ${RUN_STEPS_MAX} steps` });
  }
  if (definition.input) reader.checkSchema(definition.input, '$.input');
  return { steps: planning.steps, problems, ...readRunExpressions(planning, definition, ended) };
}

function planFailureHandling(planning: Planning, steps: Step[], ended: View): void {
  const list: StepList = {
    steps,
    prefix: `${FAILURE_LIST}/`,
    at: `$.${FAILURE_LIST}`,
    isSequence: true,
    names: [],
  };
  planList(planning, list, { container: null, names: TOP_NAMES, view: ended, depth: 0 });
}

function readRunExpressions(
  planning: Planning,
  definition: WorkflowDefinition,
  ended: View,
): Pick<PlannedSteps, 'output' | 'concurrencyKey'> {
  const { reader } = planning;
  const read: Pick<PlannedSteps, 'output' | 'concurrencyKey'> = {};
  if (definition.output !== undefined) {
    read.output = reader.readTemplate(definition.output, '$.output', TOP_NAMES);
    checkReads(
      planning,
      read.output.references.map(({ step }) => ({ id: step, at: '$.output' })),
      ended,
    );
  }
  if (definition.concurrency) {
    read.concurrencyKey = reader.readTemplate(definition.concurrency.key, '$.concurrency.key', ['input']);
  }
  return read;
}

function planList(planning: Planning, list: StepList, around: Surroundings): void {
  const ids = idsOf(list.steps);
  const waits = new Map([...ids].map((id) => [id, new Set<string>()]));
  const names = [...new Set([...around.names, ...list.names])];
  checkIds(planning, list, around.view);
  for (const [index, step] of list.steps.entries()) {
    const own = waits.get(step.id) ?? new Set();
    const view: View = [{ ids, from: step.id, waits: own }, ...around.view];
    noteWaits(planning, { list, index, ids }, own);
    planStep(planning, { step, at: memberPath(list.at, index), list, around: { ...around, names, view } });
  }
  for (const cycle of cyclesOf(waits)) {
    const path = memberPath(
      list.at,
      list.steps.findIndex(({ id }) => id === cycle[0]),
    );
    planning.problems.push({ path, message: `waits for itself: ${[...cycle, cycle[0]].join(' → ')}` });
  }
  for (const [id, after] of waits) {
    const planned = planning.steps.get(list.prefix + id);
    if (planned) planned.after = [...after].map((other) => list.prefix + other);
  }
}

interface ListPlace {
  list: StepList;
  index: number;
  ids: ReadonlySet<string>;
}

/** The siblings that the step names; in a sequence, without any, the one before it. */
function noteWaits(planning: Planning, { list, index, ids }: ListPlace, waits: Set<string>): void {
  const step = list.steps[index];
  const before = list.steps[index - 1];
  if (list.isSequence && step?.after === undefined && before) waits.add(before.id);
  for (const [at, id] of (step?.after ?? []).entries()) {
    if (ids.has(id)) {
      waits.add(id);
      continue;
    }
    const path = memberPath(`${memberPath(list.at, index)}.after`, at);
    const message = readStep([{ ids, from: null, waits: null }], id, planning.containers);
    planning.problems.push({ path, message: message ?? `"${id}" is no step of this list` });
  }
}

interface StepPlace {
  step: Step;
  at: string;
  list: StepList;
  around: Surroundings;
}

function planStep(planning: Planning, { step, at, list, around }: StepPlace): void {
  const path = list.prefix + step.id;
  const read = readExpressions(planning, step, at, around);
  const isLast = step === list.steps.at(-1);
  planning.steps.set(path, {
    path,
    step,
    container: around.container?.path ?? null,
    after: [],
    isLast,
    compiled: read.compiled,
  });
  planBodies(planning, step, { path, at }, around);
  if (step.compensate)
    planCompensation(
      planning,
      step.compensate,
      { path: `${path}~compensate`, at: `${at}.compensate` },
      around,
    );
}

function readExpressions(planning: Planning, step: Step, at: string, around: Surroundings): ReadStep {
  const read = planning.reader.readStep(step, at, around.names);
  checkReads(planning, read.reads, around.view);
  return read;
}

function checkReads(planning: Planning, reads: ReadStep['reads'], view: View): void {
  for (const { id, at } of reads) {
    if (planning.problems.length >= PROBLEMS_MAX) return;
    const message = readStep(view, id, planning.containers);
    if (message !== null) planning.problems.push({ path: at, message });
  }
}

interface Spot {
  path: string;
  at: string;
}

function planBodies(planning: Planning, step: Step, { path, at }: Spot, around: Surroundings): void {
  const lists = listsOf(step, path, at);
  if (lists.length === 0) return;
  if (path === FAILURE_LIST) {
    const message = `"${FAILURE_LIST}" is what the steps are called that run after a failure: a step with steps inside takes another id`;
    planning.problems.push({ path: `${at}.id`, message });
  }
  if (around.depth === NESTING_MAX) {
    planning.problems.push({
      path: at,
      message: `steps stand inside each other at most ${NESTING_MAX} deep`,
    });
    return;
  }
  const inside = { ...around, container: { id: step.id, path }, depth: around.depth + 1 };
  for (const list of lists) planList(planning, list, inside);
}

/** Run when all is over, so it may read its step and what its step could see, and waits for nothing. */
function planCompensation(planning: Planning, step: Step, { path, at }: Spot, around: Surroundings): void {
  const view = around.view.map((list) => ({ ...list, waits: null }));
  if (step.compensate) {
    planning.problems.push({
      path: `${at}.compensate`,
      message: 'a compensation has no compensation of its own',
    });
  }
  if (step.after)
    planning.problems.push({ path: `${at}.after`, message: 'a compensation waits for no steps' });
  const read = readExpressions(planning, step, at, { ...around, view });
  const container = around.container?.path ?? null;
  planning.steps.set(path, { path, step, container, after: [], isLast: true, compiled: read.compiled });
  planBodies(planning, step, { path, at }, { ...around, view });
}

function checkIds(planning: Planning, list: StepList, view: View): void {
  const seen = new Set<string>();
  for (const [index, { id }] of list.steps.entries()) {
    const path = `${memberPath(list.at, index)}.id`;
    if (seen.has(id)) planning.problems.push({ path, message: `"${id}" is the id of an earlier step too` });
    else if (view.some(({ ids }) => ids.has(id))) {
      planning.problems.push({
        path,
        message: `"${id}" is the id of a step outside too, which it would hide`,
      });
    }
    seen.add(id);
  }
}

const idsOf = (steps: readonly Step[]): ReadonlySet<string> => new Set(steps.map(({ id }) => id));

/** Counts all steps, and notes which stand in whose body. */
function noteContainers(planning: Planning, { steps, on_failure }: WorkflowDefinition): void {
  const open: { step: Step; container: string | null }[] = [...steps, ...(on_failure ?? [])].map((step) => ({
    step,
    container: null,
  }));
  for (let next = open.pop(); next; next = open.pop()) {
    const { step, container } = next;
    planning.count += 1;
    if (container !== null) planning.containers.set(step.id, container);
    for (const list of listsOf(step, '', '')) {
      open.push(...list.steps.map((inner) => ({ step: inner, container: step.id })));
    }
    if (step.compensate) open.push({ step: step.compensate, container: null });
  }
}
