// What callers see of runs: rows of the store, read.
import type { RunId } from '../core/ids.ts';
import type { Json } from '../core/json-value.ts';
import type { Priority } from '../core/schemas/priority.ts';
import type { RunStatus, StepError, StepState } from './run-state.ts';

/** `job`: one call of a model, or one workflow, with an id of its own (`job_…`). */
export type RunKind = 'job' | 'workflow';

/** A run without its steps. */
export interface RunSummary {
  id: RunId;
  kind: RunKind;
  /** The definition's name; of a job, what it is (`chat`, `completion`, `embedding`, `workflow`). */
  workflow: string;
  definitionHash: string;
  status: RunStatus;
  /** Of the key that started it; null where there are no keys. */
  keyName: string | null;
  priority: Priority;
  tags: string[];
  metadata: Json;
  /** Of the last durable event. */
  lastSeq: number;
  tokens: number;
  error: StepError | null;
  parent: { runId: RunId; key: string; attempt: number } | null;
  forkedFrom: RunId | null;
  createdAt: Date;
  startedAt: Date | null;
  endedAt: Date | null;
  deadlineAt: Date | null;
}

export interface StepRecord extends StepState {
  startedAt: Date | null;
  endedAt: Date | null;
  /** When it is woken; null when nothing will. */
  wakeAt: Date | null;
  /** The run that a `workflow` step has started. */
  childRunId: RunId | null;
}

export interface RunRecord extends RunSummary {
  input: Json;
  output: Json | undefined;
  /** In the order in which they came to be. */
  steps: StepRecord[];
}

/** How an attempt ended. `fenced`: its result came when the attempt was not the step's any more, and was dropped. */
export type AttemptOutcome = 'succeeded' | 'failed' | 'lapsed' | 'cancelled' | 'handed_back' | 'fenced';

export interface AttemptRecord {
  key: string;
  attempt: number;
  startedAt: Date;
  /** Null while it runs. */
  endedAt: Date | null;
  outcome: AttemptOutcome | null;
  error: StepError | null;
  tokens: number;
  /** What its executor says of it: of a model call, `AttemptFacts`. */
  facts: Json;
}

/** A durable event of a run. Their numbers have no gaps. */
export interface RunEvent {
  /** From 1. */
  seq: number;
  type: string;
  key: string | null;
  data: Json;
  at: Date;
}

const ENDED_STATUSES = ['succeeded', 'failed', 'cancelled'] as const satisfies RunStatus[];

export function isEnded(status: RunStatus): boolean {
  return (ENDED_STATUSES as readonly RunStatus[]).includes(status);
}
