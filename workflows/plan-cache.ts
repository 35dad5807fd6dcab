import type { WorkflowDefinition } from './definition.ts';
import { compilePlan, type Plan } from './plan.ts';

/** The plans that were used last, by hash. */
export interface PlanCache {
  get(hash: string): Plan | null;
  /** Plans the definition and keeps the plan. Throws AppError `invalid_request` when it is not valid. */
  add(definition: WorkflowDefinition): Plan;
  keep(plan: Plan): void;
}

// A plan takes about 5 KB for each expression, and each expression may hold on to the list that it made last.
const PLANS_MAX = 100;

export function createPlanCache({ plansMax = PLANS_MAX }: { plansMax?: number } = {}): PlanCache {
  const kept = new Map<string, Plan>();

  return {
    get(hash) {
      const plan = kept.get(hash);
      if (plan) keep(plan);
      return plan ?? null;
    },
    add(definition) {
      const plan = compilePlan(definition);
      keep(plan);
      return plan;
    },
    keep,
  };

  /** As the one that was used last, in place of the one that was not used for the longest time. */
  function keep(plan: Plan): void {
    kept.delete(plan.hash);
    kept.set(plan.hash, plan);
    const [oldest] = kept.keys();
    if (kept.size > plansMax && oldest !== undefined) kept.delete(oldest);
  }
}
