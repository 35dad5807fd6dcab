import type { RunId } from '../core/ids.ts';
import type { Json } from '../core/json-value.ts';
import type { Priority } from '../core/schemas/priority.ts';
import type { AttemptRecord, RunEvent, RunKind, RunRecord, RunSummary } from './run-record.ts';
import type { RunStatus, StepError } from './run-state.ts';

/** Who asks for work, and how it is to be done. */
export interface RunOptions {
  keyName: string | null;
  /** The key's share against others'. */
  weight?: number;
  priority?: Priority;
  /** From now. The run then fails with `deadline_exceeded`. */
  deadlineMs?: number | null;
  webhook?: { url: string; events?: string[]; secret?: string } | null;
  tags?: readonly string[];
  metadata?: Json;
  /** The same key and `bodyHash` of the same API key give the same run for 24 h. */
  idempotency?: { key: string; bodyHash: string } | null;
}

export interface WorkflowRequest extends RunOptions {
  /** A stored definition's name, or a definition. */
  workflow: string | { definition: unknown };
  input: Json;
}

export interface CallRequest extends RunOptions {
  kind: 'chat' | 'completion' | 'embedding' | 'rag_query';
  /** Whether it may ask any collection: an admin's. */
  seesAll?: boolean;
  /** Whether its caller waits for it, and holds a place among its key's requests at once meanwhile. */
  hasPlace?: boolean;
  /** The caller's JSON as text, kept and sent on as it is. It has been checked by its endpoint's schema. */
  body: string;
}

export interface WorkflowJobRequest extends WorkflowRequest {
  kind: 'workflow';
}

export interface StartedRun {
  run: RunSummary;
  /** Whether an earlier request with this idempotency key has started it. */
  replayed: boolean;
}

export interface RunQuery {
  kind: RunKind;
  limit: number;
  /** Those that are older than this run, or than this call of the ledger. */
  after?: string | null;
  /** Any of these. */
  statuses?: readonly RunStatus[] | null;
  /** The definition's name, or the job's kind. */
  workflow?: string | null;
  tag?: string | null;
  since?: Date | null;
  /** Those that came before. */
  until?: Date | null;
  /** The JSON text of its metadata begins with one of these. */
  metadataBegins?: readonly string[] | null;
  /** Only this key's; undefined: all. */
  keyName?: string | null | undefined;
}

export interface RunPage {
  /** The newest first. */
  runs: RunSummary[];
  hasMore: boolean;
}

export interface RunResult {
  id: RunId;
  status: RunStatus;
  /** Whether it has ended: only then are `output` and `error` final. */
  ended: boolean;
  output: Json | undefined;
  error: StepError | null;
}

export interface ForkRequest {
  fromStep: string;
  set?: { input?: Json; steps?: Record<string, Record<string, Json>> };
}

export interface RunDelta {
  key: string;
  attempt: number;
  part: number;
  offset: number;
  text: string;
}

/** What a reader of a run hears between its durable events. Calls come in order. */
export interface RunWatcher {
  /** There may be events after `seq`; read them from the store. */
  onNews(seq: number, hasEnded: boolean): void;
  /** A piece of what a step's attempt says. `offset` counts characters from its beginning: a reader drops what it has.
   *  With another `part` of the same attempt (another server was asked) it begins anew. Of a `chat` step the text; of a
   *  job whose request asked for a stream the chunks as JSON texts, each with a line feed; else nothing. */
  onDelta(delta: RunDelta): void;
}

/**
 * Accepted work: each method resolves when the store has what was asked. Throws AppError `not_found` for a run that is
 * not there, `conflict` for what its state does not allow, `store_unavailable`.
 */
export interface Runs {
  /** Throws `invalid_request` (a bad definition or input, `param` a JSON path), `not_found` (no such workflow),
   *  `idempotency_mismatch`. */
  start(request: WorkflowRequest): Promise<StartedRun>;
  /** A job: a call of a model, or a workflow behind a job's id. Throws as `start`, and `model_not_found`. */
  submit(request: CallRequest | WorkflowJobRequest): Promise<StartedRun>;
  /** What an earlier request of this key with this idempotency key has started; null when there is none. Throws
   *  `idempotency_mismatch`. */
  replay(keyName: string | null, idempotency: { key: string; bodyHash: string }): Promise<RunSummary | null>;
  /** Null when it is not there. */
  get(id: RunId): Promise<RunRecord | null>;
  summary(id: RunId): Promise<RunSummary | null>;
  list(query: RunQuery): Promise<RunPage>;
  /** Events after `seq`, at most `max`. */
  events(id: RunId, afterSeq: number, max: number): Promise<RunEvent[]>;
  /** Every attempt of every step, in the order of their starts. */
  attempts(id: RunId): Promise<AttemptRecord[]>;
  /** Resolves when it has ended, `waitMs` have passed, or `signal` aborts. */
  result(id: RunId, waitMs: number, signal?: AbortSignal): Promise<RunResult>;
  /** Of an ended run: conflict, except that a cancelled one stays cancelled. */
  cancel(id: RunId): Promise<RunSummary>;
  pause(id: RunId): Promise<RunSummary>;
  resume(id: RunId): Promise<RunSummary>;
  /** Of a failed or cancelled run: the steps that have not succeeded run again. Its deadline begins anew. */
  retry(id: RunId): Promise<RunSummary>;
  fork(id: RunId, request: ForkRequest, options: RunOptions): Promise<StartedRun>;
  /** An approval's name is its step's id. Throws `conflict` when nothing of the run will ever take it. */
  signal(id: RunId, name: string, payload: Json): Promise<RunSummary>;
  /** Returns the function that ends it. */
  watch(id: RunId, watcher: RunWatcher): () => void;
}
