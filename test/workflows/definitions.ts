import { type Plan, planDefinition } from '../../workflows/plan.ts';
import type { Problem } from '../../workflows/problem.ts';

type StepJson = Record<string, unknown>;

/** A step that gives `value`. */
export const give = (id: string, value: unknown = null, fields: StepJson = {}): StepJson => ({
  id,
  type: 'transform',
  value,
  ...fields,
});

/** A definition with these steps at its top. */
export const flow = (steps: unknown[], fields: StepJson = {}): StepJson => ({
  name: 'flow',
  steps,
  ...fields,
});

/** The plan of a definition that is right. */
export function planOf(json: unknown): Plan {
  const planning = planDefinition(json);
  if (planning.valid) return planning.plan;
  throw new Error(JSON.stringify(planning.errors));
}

/** What is wrong with a definition; empty when nothing is. */
export function problemsOf(json: unknown): Problem[] {
  const planning = planDefinition(json);
  return planning.valid ? [] : planning.errors;
}

/** A step that a worker runs. */
export const call = (id: string, fields: StepJson = {}): StepJson => ({
  id,
  type: 'http',
  method: 'POST',
  url: 'https://example.com/',
  ...fields,
});
