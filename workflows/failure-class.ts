import { type AppError, type ErrorCode, toAppError } from '../core/errors.ts';
import type { FailureClass, StepError } from './run-state.ts';

/** What a failed attempt may hope for: the class decides whether it is made again (run-state.ts). */
const CLASSES: Record<ErrorCode, FailureClass> = {
  invalid_request: 'fatal',
  invalid_api_key: 'fatal',
  forbidden: 'fatal',
  not_found: 'fatal',
  model_not_found: 'fatal',
  method_not_allowed: 'fatal',
  request_timeout: 'timeout',
  conflict: 'fatal',
  payload_too_large: 'fatal',
  unsupported_media_type: 'fatal',
  idempotency_mismatch: 'fatal',
  rate_limit_exceeded: 'rate_limited',
  queue_full: 'rate_limited',
  client_closed: 'cancelled',
  internal: 'transient',
  bad_backend: 'transient',
  // Work that was accepted waits for a server as long as it takes.
  no_healthy_server: 'rate_limited',
  overloaded: 'rate_limited',
  store_unavailable: 'store',
  deadline_exceeded: 'timeout',
};

const MESSAGE_CHARS_MAX = 2_000;

export function toStepError(thrown: unknown): StepError {
  const error = toAppError(thrown);
  return withRetryAfter(error, {
    code: error.reported?.code ?? error.code,
    message: error.message.slice(0, MESSAGE_CHARS_MAX),
    class: CLASSES[error.code],
  });
}

function withRetryAfter({ retryAfterSeconds }: AppError, error: StepError): StepError {
  return retryAfterSeconds === undefined ? error : { ...error, retryAfterMs: retryAfterSeconds * 1_000 };
}
