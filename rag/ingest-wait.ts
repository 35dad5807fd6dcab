import { AppError, type ErrorCode, toAppError } from '../core/errors.ts';
import { DocumentRefused } from './document-refused.ts';
import type { WaitingOn } from './ingest-job.ts';

/** Something that documents need is not there now: they wait for it, and then go on by themselves. */
export class IngestWait extends Error {
  readonly on: WaitingOn;
  readonly afterMs: number;

  constructor(on: WaitingOn, afterMs: number, cause?: unknown) {
    super(`waits for ${on}`, { cause });
    this.name = 'IngestWait';
    this.on = on;
    this.afterMs = afterMs;
  }

  /** What was said to the call that it failed by; null where nothing was. */
  get reason(): string | null {
    return this.cause instanceof AppError ? this.cause.message : null;
  }
}

/** A document cannot be taken in as it is: it fails with this reason. */
export class IngestRefusal extends Error {
  readonly reasonCode: string;

  constructor(reasonCode: string, message: string) {
    super(message);
    this.name = 'IngestRefusal';
    this.reasonCode = reasonCode;
  }
}

/** Null for what is not the document's fault. */
export function asRefusal(error: unknown): IngestRefusal | null {
  if (error instanceof IngestRefusal) return error;
  return error instanceof DocumentRefused ? new IngestRefusal(error.reasonCode, error.message) : null;
}

const RATE_LIMITED: ReadonlySet<ErrorCode> = new Set(['rate_limit_exceeded', 'queue_full']);
const REJECTED: ReadonlySet<ErrorCode> = new Set(['invalid_request', 'payload_too_large']);

/** What a failed call for embeddings means: the texts are wrong, or it is to be made again later. */
export function judgeEmbedding(thrown: unknown): { verdict: 'rejected' | WaitingOn; error: AppError } {
  const error = toAppError(thrown);
  if (REJECTED.has(error.code)) return { verdict: 'rejected', error };
  return { verdict: RATE_LIMITED.has(error.code) ? 'rate_limited' : 'embedder_down', error };
}
