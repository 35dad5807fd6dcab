import type { AppError } from '../core/errors.ts';
import type { JobId } from '../core/ids.ts';
import type { ModelJob } from './model-job.ts';
import type { AnswerFacts } from './reply-bus.ts';
import type { Place } from './waiting-line.ts';

export type DispatchEnd =
  | { status: 'done'; body: string | null; facts: AnswerFacts }
  | {
      status: 'failed';
      error: AppError;
      facts: AnswerFacts;
      /** The job may have had a whole answer, which never came here. */
      isLost?: boolean;
    };

/** Who waits for an answer. Its functions are called in order, never at once, and must not throw. */
export interface ReplyListener {
  /** It has waited for its turn for a second; told again each second. */
  onQueued(place: Place): void;
  /** A worker has taken the job. */
  onTaken(): void;
  /** A stream's first token is here. */
  onStarted(start: { server: string; attempts: number; parkedMs: number }): void;
  /** Pieces of a stream: each the JSON text of one chunk. */
  onChunks(data: string[]): void;
  /** Pieces of a whole answer, for a job that asked for them: with another `call` it begins anew. */
  onProgress?(call: number, data: string[]): void;
  onEnd(end: DispatchEnd): void;
}

/** A request whose job was dispatched and has not ended. */
export interface Waiter {
  readonly id: JobId;
  readonly job: ModelJob;
  readonly listener: ReplyListener;
  /** The worker that has the job; null while none is known. */
  worker: ModelJob['replyTo'] | null;
  attempt: number;
  nextSeq: number;
  /** Whether the listener has seen a part of the answer, its start included, so that a new attempt cannot start
   *  over. */
  begun: boolean;
  readonly tag: number;
  readonly startedMs: number;
  /** When it must have had its turn. */
  readonly turnByMs: number;
  readonly deadlineMs: number;
  heardMs: number;
  server: string | null;
  attempts: number;
  /** Since when the store has not answered for this job; null while it does. */
  storeLostMs: number | null;
  /** Whether the store has just said that the job is gone; its answer may be on the way. */
  gone: boolean;
  /** Whether the job must not run any more. */
  stopped: boolean;
}

type NewWaiter = Pick<Waiter, 'id' | 'job' | 'tag' | 'listener'> & {
  nowMs: number;
  /** The longest it may take. */
  totalMs: number;
};

export function newWaiter({ id, job, tag, listener, nowMs, totalMs }: NewWaiter): Waiter {
  return {
    id,
    job,
    listener,
    worker: null,
    attempt: 0,
    nextSeq: 0,
    begun: false,
    tag,
    startedMs: nowMs,
    turnByMs: nowMs + (job.maxWaitMs ?? totalMs),
    deadlineMs: nowMs + totalMs,
    heardMs: nowMs,
    server: null,
    attempts: 0,
    storeLostMs: null,
    gone: false,
    stopped: false,
  };
}
