import type { Step } from './step.ts';
import { listsOf } from './step-lists.ts';

/** How many steps a run may come to, with one item for each map whose list is not written out. */
export function worstCaseSteps(steps: readonly Step[]): number {
  return sum(steps, (step) => 1 + turnsOf(step, 1) * bodiesOf(step, worstCaseSteps));
}

/** How many model calls a run makes at most, repeated attempts not counted; null when a list's length decides it. */
export function worstCaseCalls(steps: readonly Step[]): number | null {
  const calls = sum(steps, (step) => {
    const own = step.type === 'chat' || step.type === 'embed' ? 1 : 0;
    const inside = bodiesOf(step, (body) => worstCaseCalls(body) ?? Number.POSITIVE_INFINITY);
    // A run that it starts is not counted here, and neither is a map over nothing that calls.
    if (step.type === 'workflow') return Number.POSITIVE_INFINITY;
    return own + (inside === 0 ? 0 : turnsOf(step, Number.POSITIVE_INFINITY) * inside);
  });
  return Number.isFinite(calls) ? calls : null;
}

function turnsOf(step: Step, unknown: number): number {
  if (step.type === 'loop') return step.max_iterations;
  if (step.type === 'map') return Array.isArray(step.over) ? step.over.length : unknown;
  return 1;
}

/** Of a branch only one body runs, so the dearest counts. */
function bodiesOf(step: Step, cost: (steps: readonly Step[]) => number): number {
  const costs = listsOf(step, '', '').map((list) => cost(list.steps));
  return step.type === 'branch' ? Math.max(...costs) : costs.reduce((total, each) => total + each, 0);
}

const sum = (steps: readonly Step[], cost: (step: Step) => number) =>
  steps.reduce((total, step) => total + cost(step), 0);
