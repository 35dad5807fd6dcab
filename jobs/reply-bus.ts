import type { ErrorCode } from '../core/errors.ts';
import type { InboxId, JobId } from '../core/ids.ts';

/** What is known of a call once it has ended. */
export interface AnswerFacts {
  /** The last server that was called; null when none was. */
  server: string | null;
  /** Calls to servers. */
  attempts: number;
  /** How long a worker held the job until a server had a free slot. */
  parkedMs: number;
  promptTokens: number | null;
  completionTokens: number | null;
}

/** An AppError as it travels between processes. */
export interface ReplyError {
  code: ErrorCode;
  message: string;
  param: string | null;
  retryAfterSeconds?: number;
  /** The model server's own words for it, shown to the caller instead of ours. */
  reported?: { type: string | null; code: string | null };
}

/**
 * A part of an answer. `taken` comes first and says where a cancel must go; then, for a stream, `started` and
 * `chunks`; last, exactly one `done` (with the body of an answer that is not streamed) or `failed`.
 */
export type ReplyFrame =
  | { type: 'taken'; worker: InboxId }
  | { type: 'started'; server: string; attempts: number; parkedMs: number }
  | { type: 'chunks'; data: string[] }
  | { type: 'done'; body: string | null; facts: AnswerFacts }
  | { type: 'failed'; error: ReplyError; facts: AnswerFacts };

export type BusMessage =
  /** `seq` counts the frames of an attempt from 0, without gaps. */
  | { kind: 'reply'; jobId: JobId; attempt: number; seq: number; frame: ReplyFrame }
  /** The caller has left: stop the job. */
  | { kind: 'cancel'; jobId: JobId }
  /** Asks the process that added a job whether it still waits for the answer; answered by `waiting`. */
  | { kind: 'ask'; jobId: JobId; from: InboxId }
  | { kind: 'waiting'; jobId: JobId; waiting: boolean };

/** One inbox per process and boot. Messages from one process to another arrive in order, or not at all. */
export interface ReplyBus {
  readonly inbox: InboxId;
  /** Calls `listener` for each message to this inbox or to all. Returns the function that ends it. */
  subscribe(listener: (message: BusMessage) => void): () => void;
  /** Resolves when the message is out of this process's hands: false when that inbox is gone. Throws AppError
   *  `store_unavailable` when it cannot be told. */
  send(to: InboxId, message: BusMessage): Promise<boolean>;
  /** To every process, this one included. */
  broadcast(message: BusMessage): Promise<void>;
}
