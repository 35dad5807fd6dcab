import type { JsonSchema } from './records.ts';
import type { Expression, Reference } from './reference.ts';
import type { Steps } from './workflow.ts';

/** A text, which may have references in it. */
export type Text = string | Expression;
/** What gives true or false: a reference, `cel`, or CEL as text. */
export type Condition = string | Expression;
/** "500ms", "2s", "5m", "1h", "2d". */
export type Duration = string;

/** A step that has been named. What refers to it waits for it. */
export interface Step<Output = unknown> {
  readonly id: string;
  readonly output: Reference<Output>;
  readonly status: Reference<string>;
  readonly error: Reference<{ code: string; message: string }>;
}

/** Names the steps of a list, in order. The step that it returns must be the last, whose output is the list's. */
export type Body<Output, Arguments extends unknown[] = []> = (
  steps: Steps,
  ...args: Arguments
) => Step<Output> | undefined;

/** Of whose output nothing is said. */
export type AnyBody = (steps: Steps) => { id: string } | undefined;

/** What every step may have. */
export interface CommonFields {
  /** Steps to wait for beside those that it refers to. */
  after?: readonly ({ id: string } | string)[];
  when?: Condition;
  retry?: {
    /** Further attempts. */
    max: number;
    backoff?: 'fixed' | 'exponential';
    delay?: Duration;
    max_delay?: Duration;
    on?: ('transient' | 'timeout' | 'invalid_output' | 'rate_limited')[];
  };
  timeout?: Duration;
  output?: { schema: JsonSchema };
  /** The one step that undoes this one when the run fails later on. */
  compensate?: AnyBody;
  cache?: { key?: unknown; ttl: Duration };
}

export interface ChatFields extends CommonFields {
  model: Text;
  messages: readonly unknown[] | Expression;
  /** Any other chat parameter. */
  [parameter: string]: unknown;
}

export interface EmbedFields extends CommonFields {
  model: Text;
  input: unknown;
}

export interface HttpFields extends CommonFields {
  method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  url: Text;
  headers?: Record<string, Text>;
  body?: unknown;
}

export interface TransformFields extends CommonFields {
  value: unknown;
}

export interface BranchFields<Output> extends CommonFields {
  cases: readonly { when: Condition; steps: Body<Output> }[];
  else?: Body<Output>;
}

export interface MapFields<Item, Output> extends CommonFields {
  over: Reference<readonly Item[]> | readonly Item[] | string;
  steps: Body<Output, [item: Reference<Item>, index: Reference<number>]>;
  /** Items at work at once. */
  concurrency?: number;
  /** Items that may fail. */
  tolerate?: number;
}

/** In a loop's body `output` is that of the turn before, in `until` of the turn that has just ended. */
export interface Turn<Output> {
  readonly index: Reference<number>;
  readonly output: Reference<Output>;
}

export interface LoopFields<Output> extends CommonFields {
  steps: Body<Output, [turn: Turn<Output>]>;
  until: Condition | ((turn: Turn<Output>) => Condition);
  max_iterations: number;
}

export interface ParallelFields<Outputs extends object> extends CommonFields {
  branches: { [Name in keyof Outputs]: Body<Outputs[Name]> };
}

export interface WaitEventFields extends CommonFields {
  name: Text;
}

export type SleepFields = CommonFields & ({ for: Duration | Expression } | { until: Text });

export interface WorkflowFields extends CommonFields {
  workflow: Text;
  input?: unknown;
}

export interface EmitFields extends CommonFields {
  event: Text;
  data?: unknown;
}

export interface FailFields extends CommonFields {
  message: Text;
}

export interface ChatOutput<Parsed = unknown> {
  text: string;
  /** The answer as `output.schema` wants it. */
  json: Parsed;
  message: { role: string; content: string };
  finish_reason: string;
  usage: { prompt_tokens: number; completion_tokens: number; total_tokens: number };
  model: string;
}

export interface EmbedOutput {
  embeddings: number[][];
  usage: { prompt_tokens: number; total_tokens: number };
}

export interface HttpOutput<Parsed = unknown> {
  status: number;
  headers: Record<string, string>;
  body: Parsed;
}
