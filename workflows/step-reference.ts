/** What an expression may read of a step. */
export const STEP_FIELDS = ['output', 'status', 'error'] as const;
export type StepField = (typeof STEP_FIELDS)[number];

/** One place where an expression reads a step: `steps.<step>` or `steps.<step>.<field>`. */
export interface StepReference {
  step: string;
  /** null: the whole record. */
  field: StepField | null;
  /** Read so that it may be missing: in `has(…)`, or with `.?`. */
  isGuarded: boolean;
}
