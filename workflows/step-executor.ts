import type { RunId } from '../core/ids.ts';
import type { Json } from '../core/json-value.ts';
import type { Priority } from '../core/schemas/priority.ts';
import type { TraceContext } from '../core/trace-context.ts';
import type { StepError } from './run-state.ts';
import type { Step } from './step.ts';

/** One attempt of a step, for the one who makes it. */
export interface StepAttempt {
  runId: RunId;
  key: string;
  attempt: number;
  step: Step;
  /** The step's own fields, their expressions evaluated. */
  fields: { [name: string]: Json };
  /** What stands for all that the step's output depends on, where its definition says so. */
  cacheKey: Json | undefined;
  /** The run's, as the caller wrote it. */
  inputText: string;
  keyName: string | null;
  /** The key's share against others'. */
  weight: number;
  priority: Priority;
  /** The run's. */
  tags?: readonly string[];
  /** The same for every attempt of this step: `<run>/<step>`. */
  idempotencyKey: string;
  /** Its part of a trace, for what it calls; undefined where nobody takes traces. */
  trace?: TraceContext | undefined;
  /** For those who watch: more of what the step says. With another `part` it begins anew. */
  say(part: number, text: string): void;
}

export type AttemptEnd = {
  tokens: number;
  /** What is worth knowing of it afterwards. */
  facts: Json;
} & ({ status: 'succeeded'; output: Json } | { status: 'failed'; error: StepError });

/**
 * Does what a step is for. It may happen twice, under the same idempotency key. Throws an AppError, which is as good as a
 * failed end; and `signal.reason` when that aborts, with nothing left running.
 */
export type StepExecutor = (attempt: StepAttempt, signal: AbortSignal) => Promise<AttemptEnd>;

export type StepExecutors = Partial<Record<Step['type'], StepExecutor>>;
