/**
 * - `unreachable`: refused, reset before an answer, no such host, or no connection in time.
 * - `timeout`: connected, but no first token, or none for too long.
 * - `status`: an HTTP status other than 200, with what the body said.
 * - `malformed`: an answer that is not what the protocol says (bad JSON, wrong content type, empty, an error event).
 * - `cut`: an answer that ended before its end.
 * - `too_large`: more bytes than `answerBytesMax`.
 */
export type BackendFailureKind = 'unreachable' | 'timeout' | 'status' | 'malformed' | 'cut' | 'too_large';

/** What a server said of its own failure; `code` is a string also where the server sent a number. */
export interface ReportedError {
  message: string;
  type: string | null;
  param: string | null;
  code: string | null;
}

interface BackendFailureOptions {
  /** The HTTP status; of an error inside an answer with status 200, the one that the error names. */
  status?: number;
  /** What the server's error body said, where it was readable; may be shown to the caller of a 400. */
  reported?: ReportedError;
  retryAfterSeconds?: number;
  /** Default true. */
  reached?: boolean;
  cause?: unknown;
}

/** A model server that did not answer as it should. `message` is for the caller: it holds no address. */
export class BackendFailure extends Error {
  readonly kind: BackendFailureKind;
  readonly status: number | undefined;
  readonly reported: ReportedError | undefined;
  readonly retryAfterSeconds: number | undefined;
  /** False when there was no connection: the request has nothing to do with it. */
  readonly reached: boolean;

  constructor(kind: BackendFailureKind, message: string, options: BackendFailureOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'BackendFailure';
    this.kind = kind;
    this.status = options.status;
    this.reported = options.reported;
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.reached = options.reached ?? true;
  }
}
