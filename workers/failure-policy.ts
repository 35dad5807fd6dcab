import type { BackendFailure, BackendFailureKind } from '../core/backend-failure.ts';
import type { ErrorCode } from '../core/errors.ts';
import type { ReplyError } from '../jobs/reply-bus.ts';

/**
 * Whether a failed call may be made again: on `any` server (this one too, if there is no other), on `another` one
 * only, or on `none` because it is the caller's to mend.
 */
export type RetryOn = 'any' | 'another' | 'none';

interface Policy {
  retryOn: RetryOn;
  code: ErrorCode;
}

const BY_KIND: Record<Exclude<BackendFailureKind, 'status'>, Policy> = {
  unreachable: { retryOn: 'any', code: 'no_healthy_server' },
  // It has hung for the whole first-token limit: asking it again would only hang again.
  timeout: { retryOn: 'another', code: 'deadline_exceeded' },
  malformed: { retryOn: 'any', code: 'bad_backend' },
  cut: { retryOn: 'any', code: 'bad_backend' },
  too_large: { retryOn: 'none', code: 'bad_backend' },
};

const BY_STATUS: Record<number, Policy> = {
  // The server's key was refused, not the caller's.
  401: { retryOn: 'none', code: 'bad_backend' },
  403: { retryOn: 'none', code: 'bad_backend' },
  404: { retryOn: 'another', code: 'bad_backend' },
  408: { retryOn: 'any', code: 'deadline_exceeded' },
  413: { retryOn: 'none', code: 'payload_too_large' },
  429: { retryOn: 'another', code: 'rate_limit_exceeded' },
};

export function policyFor(failure: BackendFailure): Policy {
  if (failure.status === undefined) {
    return failure.kind === 'status' ? BY_KIND.malformed : BY_KIND[failure.kind];
  }
  const policy = BY_STATUS[failure.status];
  if (policy) return policy;
  if (failure.status >= 400 && failure.status < 500) return { retryOn: 'none', code: 'invalid_request' };
  return { retryOn: 'any', code: 'bad_backend' };
}

const RETRY_AFTER_DEFAULT_SECONDS = 1;
const RETRY_AFTER_SECONDS_MAX = 60;

/** What the caller is told. A server's own words are passed on only where the request was at fault. */
export function toReplyError(failure: BackendFailure): ReplyError {
  const { code } = policyFor(failure);
  const callersFault = code === 'invalid_request' || code === 'payload_too_large';
  if (callersFault && failure.reported) {
    const { message, type, param, code: reportedCode } = failure.reported;
    return { code, message, param, reported: { type, code: reportedCode } };
  }
  if (code !== 'rate_limit_exceeded' && code !== 'no_healthy_server') {
    return { code, message: failure.message, param: null };
  }
  const seconds = Math.ceil(failure.retryAfterSeconds ?? RETRY_AFTER_DEFAULT_SECONDS);
  return {
    code,
    message: failure.message,
    param: null,
    retryAfterSeconds: Math.min(Math.max(seconds, 1), RETRY_AFTER_SECONDS_MAX),
  };
}
