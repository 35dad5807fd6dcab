// I1: a commit is all or nothing for each run of it, and happens only on the revision that it was decided on.
// I2: events of a run are numbered from 1, without gaps, whoever writes them.
// I3: only the database's clock decides leases, wakes and deadlines.
import type { RunId } from '../core/ids.ts';
import type { Json } from '../core/json-value.ts';
import type { Priority } from '../core/schemas/priority.ts';
import type {
  AttemptOutcome,
  AttemptRecord,
  RunEvent,
  RunKind,
  RunRecord,
  RunSummary,
} from './run-record.ts';
import type { EngineEvent, KeptSignal, RunEventRow, RunFacts, StepError, StepState } from './run-state.ts';
import type { RunPage, RunQuery, RunResult } from './runs.ts';

export interface NewRun {
  id: RunId;
  kind: RunKind;
  workflow: string;
  definitionHash: string;
  keyName: string | null;
  weight: number;
  priority: Priority;
  tags: readonly string[];
  metadata: Json;
  /** JSON text, kept as it is. */
  inputText: string;
  parent: { runId: RunId; key: string; attempt: number } | null;
  /** The first of the runs that have started each other; null for itself. */
  rootId: RunId | null;
  /** How many runs have started each other before this one. */
  depth: number;
  forkedFrom: RunId | null;
  /** From its insert. */
  deadlineMs: number | null;
  webhook: Webhook | null;
  /** Runs of one key that may be at work at once. */
  concurrency: { key: string; limit: number } | null;
}

export interface Webhook {
  url: string;
  events: string[] | null;
  secret: string | null;
}

export interface StepWrite {
  step: StepState;
  position: number;
  /** When it is to be woken. */
  wake: { afterMs: number } | { at: Date } | null;
  /** Who runs it: set with `running` only. */
  worker: string | null;
  childRunId: RunId | null;
}

/** An attempt that has ended. Where the same one has ended before, that stays, except that a result which comes after
 *  the loss of its lease makes it `fenced`. */
export interface AttemptWrite {
  key: string;
  attempt: number;
  worker: string | null;
  outcome: AttemptOutcome;
  error: StepError | null;
  tokens: number;
  facts: Json;
}

/** What a run is told by another one, or by the one who made it. */
export interface InboxMessage {
  id: string;
  event: Extract<EngineEvent, { type: 'start' | 'cancel' | 'child_ended' }>;
}

export interface RunCommit {
  runId: RunId;
  /** The revision that it was decided on. Null: the run is new, and `create` says what it is. */
  expected: number | null;
  create: NewRun | null;
  idempotency: IdempotencyClaim | null;
  run: RunFacts;
  /** Whether `start` has been decided. */
  isBegun: boolean;
  steps: StepWrite[];
  /** Attempts that must still be running. */
  fences: { key: string; attempt: number }[];
  attempts: AttemptWrite[];
  events: RunEventRow[];
  signals: { kept: KeptSignal[]; consumed: string[] };
  /** Ids of the messages that this commit has heeded. */
  heeded: string[];
  /** For other runs. */
  messages: (InboxMessage & { runId: RunId })[];
  /** Runs that begin when they have a `start` in their inbox. */
  children: NewRun[];
  /** The event to tell the run's webhook of. */
  webhook: { id: string; event: string } | null;
}

export interface IdempotencyClaim {
  owner: string;
  key: string;
  bodyHash: string;
}

/** Whether the run's part of a commit took place. Not passed: nothing of it did. */
export type CommitOutcome =
  | { runId: RunId; passed: true; revision: number; lastSeq: number; at: Date }
  | { runId: RunId; passed: false };

/** A run's row as the engine needs it. */
export interface RunRow {
  summary: RunSummary;
  rootId: RunId | null;
  depth: number;
  weight: number;
  inputText: string;
  output: Json | undefined;
  revision: number;
  webhook: Webhook | null;
}

export interface StepRow {
  step: StepState;
  position: number;
  worker: string | null;
  childRunId: RunId | null;
}

/** What of a run waits to be done now, by the database's clock. */
export interface DueWork {
  /** Running attempts whose lease has lapsed. */
  lapsed: { key: string; attempt: number }[];
  /** Steps whose time has come. */
  wakes: string[];
  deadline: boolean;
  inbox: InboxMessage[];
  /** Until the next wake or deadline that is not due yet; null when there is none. */
  nextInMs: number | null;
}

/** Everything of one moment. */
export interface RunSnapshot {
  row: RunRow;
  /** Changed since the revision that was asked for, in the order in which they came to be. */
  steps: StepRow[];
  /** All that no step has taken. */
  signals: KeptSignal[];
  due: DueWork;
}

export interface HeldStep {
  runId: RunId;
  key: string;
  attempt: number;
}

interface IdempotentRun {
  runId: RunId;
  bodyHash: string;
}

/** Runs, their steps and what happened to them. Throws AppError `store_unavailable` when the database is away. */
export interface RunStore {
  /** One statement for any number of runs, each at most once. */
  commit(changes: readonly RunCommit[]): Promise<CommitOutcome[]>;
  /** Null when there is no such run. `since`: only steps changed after that revision; 0 for all. */
  read(id: RunId, since: number): Promise<RunSnapshot | null>;
  /** Extends what `worker` holds; gives those of `held` that it does not hold any more. */
  heartbeat(worker: string, held: readonly HeldStep[]): Promise<HeldStep[]>;
  /** Runs that have something due and that no other process looks after just now. They are this one's for some
   *  seconds. `withReady`: also those that only have steps to be run. */
  takeDue(max: number, options: { withReady: boolean }): Promise<RunId[]>;
  /** Ends every lease: for the one process of a store that no other can have. */
  lapseAll(): Promise<void>;
  /** How many runs have come of this one. */
  familySize(rootId: RunId): Promise<number>;
  /** Puts a `start` into the inbox of runs that wait for others with their concurrency key, as far as there is room. */
  admit(): Promise<RunId[]>;

  summary(id: RunId): Promise<RunSummary | null>;
  /** What it has come to, or stands at. */
  result(id: RunId): Promise<RunResult | null>;
  record(id: RunId): Promise<RunRecord | null>;
  list(query: RunQuery): Promise<RunPage>;
  events(id: RunId, afterSeq: number, max: number): Promise<RunEvent[]>;
  attempts(id: RunId): Promise<AttemptRecord[]>;
  /** A step's output that was kept under this key and has not expired; undefined when there is none. */
  cached(key: string): Promise<Json | undefined>;
  /** Keeps it, in place of an earlier one. */
  cache(key: string, output: Json, ttlMs: number): Promise<void>;
  /** Null when the key is free. */
  idempotent(claim: IdempotencyClaim): Promise<IdempotentRun | null>;
}
