import type { Plan } from './plan.ts';
import type { RivalId, Surroundings } from './subjects.ts';

/** What a part of the benchmark works with; its processes end with it. */
export interface PartContext {
  plan: Plan;
  /** The gateways to measure. */
  only: readonly RivalId[];
  around: Surroundings;
  signal: AbortSignal;
  say: (line: string) => void;
}

export interface PartResult {
  /** For a terminal. */
  text: string;
  /** For the file of results. */
  results: object;
  /** Something did not run, or answered wrongly. */
  isBroken: boolean;
}
