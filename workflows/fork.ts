// A run that begins as a copy of another one: what of that one's steps it need not do again.
import { AppError } from '../core/errors.ts';
import type { Json } from '../core/json-value.ts';
import { canonicalJson } from './canonical-json.ts';
import type { WorkflowDefinition } from './definition.ts';
import type { Plan } from './plan.ts';
import { type GraphStep, graphOf } from './run-graph.ts';
import { createRunModel } from './run-model.ts';
import type { StepState } from './run-state.ts';
import { bodiesOf, listOf, type RunView } from './run-view.ts';
import type { Step } from './step.ts';
import { hasSameInputs } from './step-inputs.ts';
import { compensationOf, ROOT_BODY } from './step-key.ts';
import { listsOf } from './step-lists.ts';

interface Fork {
  /** The plan and the input of the new run. */
  plan: Plan;
  input: Json;
  /** The run that it begins from. */
  from: RunView;
  /** The id or path of a step; what it stands in is done again as a whole. */
  fromStep: string;
}

/**
 * The steps that the new run has from the start: those that had ended well and were not compensated, whose definition and evaluated inputs are
 * what they were, and which wait for none that is done again. Steps at the top are taken over or done again with all
 * that they hold. Throws AppError `invalid_request` for a step that the run does not have.
 */
export function reusableSteps({ plan, input, from, fromStep }: Fork): StepState[] {
  const top = topOf(plan, fromStep);
  const rows = [...from.table.keys()].flatMap((key) => from.step(key) ?? []);
  const next = createRunModel(plan, { id: from.id, input }, rows);
  const isSameInput = canonicalJson(input) === canonicalJson(from.input);
  const known = new Map<string, boolean>([[top, false]]);

  const isReused = (step: GraphStep): boolean => {
    const found = known.get(step.id);
    if (found !== undefined) return found;
    const isKept =
      hasEndedWell(from, step.id) &&
      isSameStep(from.plan, step) &&
      step.after.every((id) => isReusedId(id)) &&
      (isSameInput || hasSameInputs(from, next, step.id));
    known.set(step.id, isKept);
    return isKept;
  };
  const isReusedId = (id: string) => {
    const step = graphOf(plan).steps.get(id);
    return step !== undefined && isReused(step);
  };

  return listOf(graphOf(plan), ROOT_BODY)
    .steps.filter(isReused)
    .flatMap(({ id }) => withChildren(from, id));
}

/**
 * The definition with fields of its steps changed, by id or, where several have that id, by path. Throws AppError
 * `invalid_request` for steps that are not there. What comes out is to be planned.
 */
export function changeSteps(
  definition: WorkflowDefinition,
  changes: Readonly<Record<string, Readonly<Record<string, Json>>>>,
): WorkflowDefinition {
  const changed = structuredClone(definition);
  const steps = stepsByPath(changed);
  for (const [name, fields] of Object.entries(changes)) {
    const step = steps.get(name) ?? theOnly(steps, name);
    if ('id' in fields) throw new AppError('invalid_request', 'The id of a step cannot be changed.');
    Object.assign(step, fields);
  }
  return changed;
}

/** The step at the top that is the one of this name or holds it. */
function topOf(plan: Plan, name: string): string {
  const steps = [...plan.steps.values()];
  const found = steps.find(({ path }) => path === name) ?? steps.find(({ step }) => step.id === name);
  const top = found?.path.split(/[/~]/, 1)[0];
  if (
    top !== undefined &&
    graphOf(plan)
      .lists.get(ROOT_BODY)
      ?.steps.some(({ id }) => id === top)
  )
    return top;
  throw new AppError('invalid_request', `The run has no step "${name}" to begin from.`, {
    param: 'from_step',
  });
}

function hasEndedWell(from: RunView, key: string): boolean {
  const status = from.step(key)?.status;
  return (status === 'succeeded' || status === 'skipped') && !isUndone(from, key);
}

/** Whether it, or something in it, has been compensated. */
function isUndone(from: RunView, key: string): boolean {
  return (
    from.step(compensationOf(key))?.status === 'succeeded' ||
    childrenOf(from, key).some((child) => isUndone(from, child))
  );
}

function childrenOf(from: RunView, key: string): string[] {
  return bodiesOf(from, key).flatMap((body) => listOf(from.graph, body).steps.map(({ id }) => body + id));
}

function isSameStep(plan: Plan, { planned }: GraphStep): boolean {
  const before = plan.steps.get(planned.path)?.step;
  return before !== undefined && canonicalJson(before) === canonicalJson(planned.step);
}

/** Without an order of ending: what another run has done is not this one's to compensate. */
function withChildren(from: RunView, key: string): StepState[] {
  const step = from.step(key);
  if (!step) return [];
  const children = childrenOf(from, key).flatMap((child) => withChildren(from, child));
  return [{ ...step, endOrder: null }, ...children];
}

function stepsByPath({ steps, on_failure = [] }: WorkflowDefinition): Map<string, Step> {
  const found = new Map<string, Step>();
  const open = [...steps.map((step) => ({ step, path: step.id }))];
  open.push(...on_failure.map((step) => ({ step, path: `on_failure/${step.id}` })));
  for (let next = open.pop(); next; next = open.pop()) {
    const { step, path } = next;
    found.set(path, step);
    for (const { steps: inner, prefix } of listsOf(step, path, '')) {
      open.push(...inner.map((each) => ({ step: each, path: prefix + each.id })));
    }
  }
  return found;
}

function theOnly(steps: ReadonlyMap<string, Step>, id: string): Step {
  const named = [...steps.values()].filter((step) => step.id === id);
  const [only] = named;
  if (only && named.length === 1) return only;
  const what = only ? 'several steps' : 'no step';
  throw new AppError('invalid_request', `The definition has ${what} "${id}".`, { param: `set.steps.${id}` });
}
