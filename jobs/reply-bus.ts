import type { ErrorCode } from '../core/errors.ts';
import type { InboxId, JobId, RunId } from '../core/ids.ts';
import type { ModelClass } from '../core/schemas/model-class.ts';
import type { ServerReport } from '../servers/model-server.ts';
import type { RoutingCandidate } from '../servers/routing-explanation.ts';
import type { ServerChange, ServerSet } from '../servers/server-store.ts';

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
  /** Only of a job that asks for it. */
  timeline?: TimelineEntry[];
}

/** Something that happened to a job. */
export interface TimelineEntry {
  /** Unix ms. */
  at_ms: number;
  event: 'taken' | 'parked' | 'attempt' | 'failed' | 'first_token' | 'done';
  server?: string;
  /** Which call it was, from 1; of a part, where the job was split over servers. */
  attempt?: number;
  /** Of an attempt, why this server; of a failure, what went wrong. */
  reason?: string;
  /** Of an attempt: every server that has the model, as `workload/distribute` explains it. */
  candidates?: RoutingCandidate[];
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
 * A part of an answer. `taken` comes first and says where a cancel must go, and how far its worker's queue has come
 * (jobs/fair-order.ts); `parked` follows where the job must wait for a free slot of its model, and `running` when it has
 * one; then, for a stream, `started` and `chunks`, or, for a whole answer whose pieces are wanted, `progress`; last, exactly one `done` (with the body of an answer that is not
 * streamed) or `failed`.
 */
export type ReplyFrame =
  | { type: 'taken'; worker: InboxId; virtual: number }
  | { type: 'parked' }
  | { type: 'running'; virtual: number }
  | { type: 'started'; server: string; attempts: number; parkedMs: number; timeline?: TimelineEntry[] }
  | { type: 'chunks'; data: string[] }
  /** Pieces as the job's `progress` asks for them; of the call to this server, counted from 1: with another call the
   *  answer begins anew. */
  | { type: 'progress'; call: number; data: string[] }
  | { type: 'done'; body: string | null; facts: AnswerFacts }
  | { type: 'failed'; error: ReplyError; facts: AnswerFacts };

/** How one process fared when it read its configuration again. */
export interface ProcessReload {
  host: string;
  pid: number;
  /** What it does: `api`, model classes, `workflow`. */
  roles: string[];
  /** Settings that hold from now on, as citadel.yaml names them. */
  changed: string[];
  /** Settings that are other than those that hold, and that only a start reads. */
  needsRestart: string[];
  /** Why nothing was changed; null where it was read. */
  problem: string | null;
}

export type BusMessage =
  /** `seq` counts the frames of an attempt from 0, without gaps. */
  | { kind: 'reply'; jobId: JobId; attempt: number; seq: number; frame: ReplyFrame }
  /** The caller has left: stop the job. */
  | { kind: 'cancel'; jobId: JobId }
  /** Asks the process that added a job whether it still waits for the answer; answered by `waiting`. */
  | { kind: 'ask'; jobId: JobId; from: InboxId }
  | { kind: 'waiting'; jobId: JobId; waiting: boolean }
  /** Nothing waits in this class's queue: the tags of its requests begin anew. */
  | { kind: 'order-reset'; modelClass: ModelClass }
  /** An operator has had this class's jobs wait, or go on. */
  | { kind: 'queue-paused'; modelClass: ModelClass; isPaused: boolean }
  /** Jobs on this server that have sent nothing yet go to another; each process that runs jobs answers by `moved`. */
  | { kind: 'move'; serverId: string; from: InboxId }
  | { kind: 'moved'; serverId: string; jobs: number; worker: InboxId }
  /** A process that has none needs a unit of this lease, or some have come free. */
  | { kind: 'lease'; name: string; news: 'wanted' | 'free'; from: InboxId }
  /** An operator has changed what is said of a server; with what the server itself said just then (null: it did not
   *  answer; absent: it was not asked). */
  | { kind: 'server-change'; change: ServerChange; report?: ServerReport | null }
  /** Asks processes with a store for all that is said of servers; answered by `servers` where it is not of the
   *  revision `have`. */
  | { kind: 'servers-wanted'; have: number; from: InboxId }
  | { kind: 'servers'; set: ServerSet }
  /** Somebody reads this run's events, at this inbox; told again each 10 s. */
  | { kind: 'run-watch'; runId: RunId; inbox: InboxId }
  /** The run has events up to `seq`. */
  | { kind: 'run-news'; runId: RunId; seq: number; hasEnded: boolean }
  /** What an attempt of a step says; `offset` in characters from its beginning. */
  | {
      kind: 'run-delta';
      runId: RunId;
      key: string;
      attempt: number;
      part: number;
      offset: number;
      text: string;
    }
  /** These attempts of this process do not run for their run any more. */
  | { kind: 'run-stop'; runId: RunId; attempts: { key: string; attempt: number }[] }
  /** Has each other process read its configuration again; answered by `config-reloaded`. */
  | { kind: 'config-reload'; from: InboxId; ask: string }
  | { kind: 'config-reloaded'; ask: string; reload: ProcessReload }
  /** Documents of these collections have come on; and whether some wait to be taken in. */
  | { kind: 'ingest-news'; collectionIds: string[]; hasWork: boolean }
  /** An API key was made, changed or revoked: each process that knows keys reads them again. */
  | { kind: 'keys-changed' };

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
  /** Resolves once all that is in this inbox now has been heard. Throws AppError `store_unavailable` when it cannot be
   *  told. */
  caughtUp(): Promise<void>;
}
