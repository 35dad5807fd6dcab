import type { Json } from '../sdk/records.ts';
import type { Definition } from '../sdk/workflow.ts';

/** A run of a random workflow, and everything that must come of it. */
export interface Scenario {
  /** Of its run, and in all its prompts: no two are alike. */
  tag: string;
  definition: Definition;
  input: Json;
  expected: { status: 'succeeded'; output: Json } | { status: 'failed'; message: string };
  /** What its approvals are to be sent. */
  signals: { name: string; payload: Json }[];
  /** Its caller cancels it after this time; it may have ended by then. */
  cancelAfterMs: number | null;
  /** Texts that models are asked, one of each. */
  prompts: string[];
  /** Calls that the receiver of http steps must see, at least one of each. */
  effects: string[];
}
