// What the engine knows of a run, and what it decides. Pure data: no store, no clock, no randomness.
import type { Json } from '../core/json-value.ts';

export type RunStatus = 'queued' | 'running' | 'waiting' | 'paused' | 'succeeded' | 'failed' | 'cancelled';

export type StepStatus =
  | 'pending'
  | 'ready'
  | 'running'
  | 'waiting'
  | 'succeeded'
  | 'failed'
  | 'skipped'
  | 'cancelled';

/**
 * Why an attempt failed, which decides whether it is tried again. `rate_limited`, `store` and `cancelled` (the attempt
 * was handed back, as when its process stops) use up no attempt.
 */
export type FailureClass =
  | 'transient'
  | 'rate_limited'
  | 'timeout'
  | 'invalid_output'
  | 'store'
  | 'fatal'
  | 'cancelled';

export interface StepError {
  code: string;
  message: string;
  class: FailureClass;
  retryAfterMs?: number;
}

/** What a step in `waiting` waits for. A container waits for its `children`. */
export type Wait =
  | { for: 'retry' }
  | { for: 'time' }
  | { for: 'signal'; name: string }
  | { for: 'child' }
  | { for: 'children' };

/**
 * One step of a run. `key` names it within the run: 'draft', 'fan[17]/summarise', 'loop#3/plan', 'pick/0/x',
 * 'par/left/y', 'pay~compensate', 'on_failure/tell'.
 */
export interface StepState {
  key: string;
  /** Its PlannedStep's path ('fan/summarise'). */
  path: string;
  status: StepStatus;
  /** Attempts begun. The fence: a completion counts only for the attempt that runs. */
  attempt: number;
  /** Attempts that count against retry.max. */
  failures: number;
  /** Attempts whose worker was lost; they do not count against retry.max, but have a limit of their own. */
  lapses: number;
  /** Set while `waiting`, else null. */
  waits: Wait | null;
  /** Numbers the steps of the run as they succeed, each time anew; compensation goes backwards by it. Null until then,
   *  and for one that a fork took over. */
  endOrder: number | null;
  output: Json | undefined;
  error: StepError | null;
}

export type EngineEvent =
  | { type: 'start' }
  /** Takes ready steps into `running`: of `keys` (null: any), at most `max`, in order. Nothing while the run is paused. */
  | { type: 'claim'; keys: readonly string[] | null; max: number }
  | { type: 'attempt_succeeded'; key: string; attempt: number; output: Json; tokens: number }
  | {
      type: 'attempt_failed';
      key: string;
      attempt: number;
      error: StepError;
      tokens: number;
      /** 0..1, for jitter. */
      random: number;
    }
  /** The lease of a running step has lapsed: its worker is gone. */
  | { type: 'lease_lapsed'; key: string; attempt: number; random: number }
  /** The step's wake time has come: a retry's delay, a sleep, a step's time-out. */
  | { type: 'woken'; key: string }
  | { type: 'signal'; id: string; name: string; payload: Json }
  | {
      type: 'child_ended';
      key: string;
      /** The parent step's attempt that started this child. */
      attempt: number;
      status: 'succeeded' | 'failed' | 'cancelled';
      output: Json;
      error: StepError | null;
      /** 0..1, for jitter. */
      random: number;
    }
  | { type: 'deadline' }
  | { type: 'cancel' }
  | { type: 'pause' }
  | { type: 'resume' }
  | { type: 'retry' };

/** A step that is new or has changed. */
export interface StepChange {
  step: StepState;
  /** When the store must wake it. Null or left out: never; an earlier wake of this step no longer holds. */
  wake?: { afterMs: number } | { at: string } | null;
  /** A run to start for it, as the child of this step's attempt. */
  child?: { workflow: string; input: Json };
  /** The child run of an earlier attempt, or of this one if it starts none, is to be cancelled if it still runs. */
  cancelChild?: true;
}

export interface RunEventRow {
  type: string;
  key: string | null;
  data: Json;
}

/** A signal that no step waits for yet. */
export interface KeptSignal {
  id: string;
  name: string;
  payload: Json;
}

/** What a run's own row holds. With `error` set and a status that is not final, the run is cleaning up. */
export interface RunFacts {
  status: RunStatus;
  output: Json | undefined;
  error: StepError | null;
  tokens: number;
}

export interface Decision {
  steps: StepChange[];
  /** Durable events, in order; the store numbers them. */
  events: RunEventRow[];
  run: RunFacts;
  signals: { kept: KeptSignal[] /** Ids. */; consumed: string[] };
  /** Completions that came too late or twice; nothing was made of them. */
  fenced: EngineEvent[];
}
