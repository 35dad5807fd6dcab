import type { JobId } from '../core/ids.ts';

/** A job as a consumer gets it. `attempt` counts the times it was taken, from 1. */
export interface TakenJob {
  id: JobId;
  data: unknown;
  /** Where it stood in its queue: the lowest is taken first. */
  tag: number;
  attempt: number;
  /** When it was added, by the adder's clock (unix ms). */
  addedAtMs: number;
}

/**
 * How a run of a job ended, each mapped to exactly one call of the engine:
 * `done` removes it, `dead` puts it into the dead letter with its reason, `put-back` lets any consumer take it again.
 */
export type JobOutcome =
  | { status: 'done' }
  | { status: 'dead'; reason: string }
  | { status: 'put-back'; delayMs: number };

export type JobState =
  | { status: 'waiting' | 'active' | 'missing' | 'completed' }
  | { status: 'dead'; reason: string };

interface QueueCounts {
  waiting: number;
  active: number;
  delayed: number;
  dead: number;
}

export interface ConsumeOptions {
  concurrency: number;
  /** Runs a job. `abort` is aborted when the job is cancelled or its lock is lost; the runner may do so too. Must not
   *  throw. */
  run(job: TakenJob, abort: AbortController): Promise<JobOutcome>;
  /** Told of a job that is dead without having been run: it killed its worker too often. */
  onDead(job: TakenJob, reason: string): void;
}

export interface JobConsumer {
  /** How many jobs may be in hand at once, from now on. */
  setConcurrency(count: number): void;
  /** Aborts the job's signal. False when the job is not in this consumer's hands. */
  cancel(id: JobId): boolean;
  /** Takes no further job; those in hand go on. */
  pause(): void;
  /** Takes no further job and waits for those in hand, whose outcomes must come by themselves. A store that is away is
   *  waited for 3 s. */
  close(): Promise<void>;
}

/** One model class's queue. */
export interface JobQueue {
  readonly name: string;
  /** Resolves when the store has the job. Jobs with a lower `tag` (1 to 2^21 - 1) are taken first, equal ones in the
   *  order of their adds. Adding an id that is there is a no-op. Throws AppError `store_unavailable`; the job may
   *  nevertheless have been added. */
  add(id: JobId, data: object, tag: number): Promise<void>;
  /** Gives a waiting job another tag; does nothing to one that does not wait. */
  reorder(id: JobId, tag: number): Promise<void>;
  /** Takes a waiting job out. False when it was not waiting (it may be running). */
  remove(id: JobId): Promise<boolean>;
  state(id: JobId): Promise<JobState>;
  counts(): Promise<QueueCounts>;
  /** When the job whose turn is next was added, by the adder's clock (unix ms); null where none waits. */
  nextAddedAtMs(): Promise<number | null>;
  /** Whether jobs stay where they are until told otherwise, for every consumer of every process. Stands in the store. */
  setPaused(isPaused: boolean): Promise<void>;
  isPaused(): Promise<boolean>;
  consume(options: ConsumeOptions): JobConsumer;
}
