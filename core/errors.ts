// The one table of what can go wrong, and the one error class that carries a row of it.

/** What a caller may do with a failure: ask again as it stands, or never. */
type Retry = 'later' | 'never';

interface ErrorRow {
  status: number;
  type: string;
  retry: Retry;
}

export const ERRORS = {
  invalid_request: { status: 400, type: 'invalid_request_error', retry: 'never' },
  invalid_api_key: { status: 401, type: 'authentication_error', retry: 'never' },
  forbidden: { status: 403, type: 'permission_error', retry: 'never' },
  not_found: { status: 404, type: 'invalid_request_error', retry: 'never' },
  model_not_found: { status: 404, type: 'invalid_request_error', retry: 'never' },
  method_not_allowed: { status: 405, type: 'invalid_request_error', retry: 'never' },
  request_timeout: { status: 408, type: 'invalid_request_error', retry: 'later' },
  conflict: { status: 409, type: 'invalid_request_error', retry: 'never' },
  payload_too_large: { status: 413, type: 'invalid_request_error', retry: 'never' },
  unsupported_media_type: { status: 415, type: 'invalid_request_error', retry: 'never' },
  idempotency_mismatch: { status: 422, type: 'invalid_request_error', retry: 'never' },
  rate_limit_exceeded: { status: 429, type: 'rate_limit_error', retry: 'later' },
  queue_full: { status: 429, type: 'rate_limit_error', retry: 'later' },
  client_closed: { status: 499, type: 'invalid_request_error', retry: 'never' },
  internal: { status: 500, type: 'server_error', retry: 'later' },
  bad_backend: { status: 502, type: 'server_error', retry: 'later' },
  no_healthy_server: { status: 503, type: 'server_error', retry: 'later' },
  overloaded: { status: 503, type: 'server_error', retry: 'later' },
  store_unavailable: { status: 503, type: 'server_error', retry: 'later' },
  deadline_exceeded: { status: 504, type: 'server_error', retry: 'later' },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

interface AppErrorOptions {
  cause?: unknown;
  /** The request's field that is wrong, as a JSON path such as `messages[0].role`. */
  param?: string | null;
  /** Seconds after which the same request may succeed; sent as `Retry-After` (1 to 60). */
  retryAfterSeconds?: number | undefined;
  /** A model server's own type and code for it, shown to the caller instead of the table's. */
  reported?: { type: string | null; code: string | null } | undefined;
}

/** A failure with a text for the caller (`message`, free of secrets and addresses) and a `cause` for the log. */
export class AppError extends Error {
  readonly code: ErrorCode;
  readonly param: string | null;
  readonly retryAfterSeconds: number | undefined;
  readonly reported: { type: string | null; code: string | null } | undefined;

  constructor(code: ErrorCode, message: string, options: AppErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'AppError';
    this.code = code;
    this.param = options.param ?? null;
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.reported = options.reported;
  }

  get status(): number {
    return ERRORS[this.code].status;
  }
}

/** The error shape of every answer: OpenAI's, all four keys always there. */
export interface ErrorBody {
  error: { message: string; type: string; param: string | null; code: string | null };
}

/** `error` in the shape of every answer, as an object to be written as JSON. */
export function toErrorBody(error: AppError): ErrorBody {
  return {
    error: {
      message: error.message,
      type: error.reported?.type ?? ERRORS[error.code].type,
      param: error.param,
      code: error.reported?.code ?? error.code,
    },
  };
}

/** Any thrown value as an AppError; what is not one becomes `internal`, its own text kept for the log only. */
export function toAppError(thrown: unknown): AppError {
  if (thrown instanceof AppError) return thrown;
  return new AppError('internal', 'Citadel failed on this request. Its id is in x-request-id.', {
    cause: thrown,
  });
}
