import type { Plan, PlannedStep } from './plan.ts';
import { layersOf } from './step-order.ts';
import { worstCaseCalls } from './worst-case.ts';

/** A plan as the API shows it. */
export interface PlanView {
  steps: { id: string; path: string; type: string; container: string | null; after: string[] }[];
  /** The ids at the top of the definition, in groups that may run together, in order. */
  order: string[][];
  /** Calls of models at most, repeated attempts not counted; null when it depends on the length of a list or on another
   *  workflow. */
  calls_max: number | null;
}

export function describePlan(plan: Plan): PlanView {
  const { steps, on_failure: failureSteps = [] } = plan.definition;
  const top = steps.map(({ id }) => [id, new Set(plan.steps.get(id)?.after)] as const);
  const calls = [worstCaseCalls(steps), worstCaseCalls(failureSteps)];
  return {
    steps: Array.from(plan.steps.values(), describeStep),
    order: layersOf(new Map(top)),
    calls_max: calls.reduce((total, each) => (total === null || each === null ? null : total + each), 0),
  };
}

const describeStep = ({ path, step, container, after }: PlannedStep) => ({
  id: step.id,
  path,
  type: step.type,
  container,
  after,
});
