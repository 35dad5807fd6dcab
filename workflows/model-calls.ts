import type { AppError } from '../core/errors.ts';
import type { Json } from '../core/json-value.ts';
import type { Priority } from '../core/schemas/priority.ts';
import type { TraceContext } from '../core/trace-context.ts';

export type ModelEndpointName = 'chat/completions' | 'completions' | 'embeddings';

/** What a job's one step is asked, as its run's input. */
export interface CallInput {
  endpoint: ModelEndpointName | 'rag/query';
  /** The caller's JSON as text. */
  body: string;
  /** Whether it may ask any collection. */
  seesAll?: boolean;
  /** Its caller waits for it, and holds a place among its key's requests at once meanwhile. */
  hasPlace?: boolean;
}

export interface ModelCallRequest {
  endpoint: ModelEndpointName;
  /** JSON text, sent on as it is; it names the model. */
  body: string;
  keyName: string | null;
  /** Whether the key's limits were charged for it before, as when it was accepted. */
  isCharged: boolean;
  /** Whether it counts among the key's requests at once: it waits until the key may have one more. */
  takesPlace: boolean;
  /** The key's share against others'. */
  weight: number;
  priority: Priority;
  /** Of the run that it is for: kept in the ledger. */
  tags?: readonly string[] | undefined;
  /** The same for each try of the same work. */
  idempotencyKey: string;
  /** What it is a part of. */
  trace?: TraceContext | undefined;
  /** False: it fails at once where no server is well. */
  waitsForServer?: boolean;
  /** What `onPieces` is told of a chat's or completion's answer as it comes: the first choice's text, or chunks as JSON
   *  texts. Null: nothing. */
  pieces: 'text' | 'chunks' | null;
  /** With another `part` the answer begins anew. */
  onPieces(part: number, pieces: string[]): void;
}

export type ModelCallEnd = {
  /** What it counts for. */
  tokens: number;
  facts: ModelCallFacts;
} & ({ status: 'answered'; body: string } | { status: 'failed'; error: AppError });

interface ModelCallFacts {
  jobId: string;
  model: string;
  modelClass: string;
  server: string | null;
  /** Calls to servers. */
  calls: number;
  queuedMs: number | null;
  /** How it went in the worker, where that tells. */
  timeline: Json;
}

/** Calls of models for accepted work: they wait for their turn as long as it takes. */
export interface ModelCalls {
  /** Throws AppError `model_not_found`, `invalid_request`; `forbidden` and `rate_limit_exceeded` where the key's limits
   *  do not allow it, or not now; and `signal.reason` when it aborts, the call stopped. */
  call(request: ModelCallRequest, signal: AbortSignal): Promise<ModelCallEnd>;
  /** Throws AppError `model_not_found`. */
  requireModel(name: string): { modelClass: string };
}
