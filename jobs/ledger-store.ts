import type { JobId, RequestId } from '../core/ids.ts';
import type { ModelClass } from '../core/schemas/model-class.ts';

/** How a request ended, from its caller's side. */
type LedgerOutcome = 'succeeded' | 'failed' | 'cancelled';

/** One row per request: who asked for what, where it ran, how long each part took, what it used. */
export interface LedgerEntry {
  jobId: JobId;
  requestId: RequestId;
  /** The API key's name; null where no key is configured. */
  keyName: string | null;
  /** The route below `/v1`, such as `chat/completions`. */
  endpoint: string;
  model: string;
  modelClass: ModelClass;
  /** The last server that was called; null when none was. */
  server: string | null;
  /** Calls to servers. */
  attempts: number;
  /** From the job's add to a worker taking it; null when none did. */
  queuedMs: number | null;
  /** From the request's arrival to its first token (or its whole answer, where nothing streams). */
  firstTokenMs: number | null;
  totalMs: number;
  promptTokens: number | null;
  completionTokens: number | null;
  /** What the call counts against its key's tokens: what the server reported, or an estimate where it reported none. */
  chargedTokens: number;
  outcome: LedgerOutcome;
  /** The error's code, of the table in core/errors; null when it succeeded. */
  errorCode: string | null;
  /** Of the run that the call was made for. */
  tags?: readonly string[];
  /** A caller waited for it: it is a job of its own, and not a part of accepted work. */
  isWaited: boolean;
  /** When the request arrived. */
  createdAt: Date;
}

export interface LedgerStore {
  /** Writes all of `entries` or none. An entry whose job id is there already is left as it is. */
  append(entries: readonly LedgerEntry[]): Promise<void>;
}
