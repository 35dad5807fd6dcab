import { describe, expect, test } from '@jest/globals';
import { BackendFailure } from '../../core/backend-failure.ts';
import { policyFor, toReplyError } from '../../workers/failure-policy.ts';

const REPORTED = { message: 'n is too large', type: 'BadRequest', param: 'n', code: '400' };

const status = (code: number, options = {}) =>
  new BackendFailure('status', 'refused', { status: code, ...options });

describe('the policy for a failure', () => {
  test.each([
    ['unreachable', 'any', 'no_healthy_server'],
    ['timeout', 'another', 'deadline_exceeded'],
    ['malformed', 'any', 'bad_backend'],
    ['cut', 'any', 'bad_backend'],
    ['too_large', 'none', 'bad_backend'],
    ['status', 'any', 'bad_backend'],
  ] as const)('a call that is %s is made again on: %s', (kind, retryOn, code) => {
    expect(policyFor(new BackendFailure(kind, 'failed'))).toEqual({ retryOn, code });
  });

  test.each([
    [302, 'any', 'bad_backend'],
    [400, 'none', 'invalid_request'],
    [401, 'none', 'bad_backend'],
    [403, 'none', 'bad_backend'],
    [404, 'another', 'bad_backend'],
    [408, 'any', 'deadline_exceeded'],
    [413, 'none', 'payload_too_large'],
    [422, 'none', 'invalid_request'],
    [429, 'another', 'rate_limit_exceeded'],
    [499, 'none', 'invalid_request'],
    [500, 'any', 'bad_backend'],
    [503, 'any', 'bad_backend'],
  ] as const)('a call that got status %d is made again on: %s', (code, retryOn, errorCode) => {
    expect(policyFor(status(code))).toEqual({ retryOn, code: errorCode });
  });

  test('a status that an answer names inside counts as one that HTTP names', () => {
    expect(policyFor(new BackendFailure('malformed', 'failed', { status: 400 }))).toEqual(
      policyFor(status(400)),
    );
  });
});

describe('what the caller is told', () => {
  test.each([
    [400, 'invalid_request'],
    [413, 'payload_too_large'],
  ] as const)("is the server's own words after a %d, for the request was at fault", (code, errorCode) => {
    expect(toReplyError(status(code, { reported: REPORTED }))).toEqual({
      code: errorCode,
      message: 'n is too large',
      param: 'n',
      reported: { type: 'BadRequest', code: '400' },
    });
  });

  test.each([401, 403, 404, 408, 429, 500])("is never the server's own words after a %d", (code) => {
    const told = toReplyError(status(code, { reported: REPORTED }));

    expect(told).toMatchObject({ message: 'refused', param: null });
    expect(told).not.toHaveProperty('reported');
  });

  test.each([
    [undefined, 1],
    [0, 1],
    [0.2, 1],
    [7.1, 8],
    [3600, 60],
  ])('a Retry-After of %p s becomes %d s', (retryAfterSeconds, expected) => {
    expect(toReplyError(status(429, { retryAfterSeconds }))).toEqual({
      code: 'rate_limit_exceeded',
      message: 'refused',
      param: null,
      retryAfterSeconds: expected,
    });
  });

  test('says when to come back where no server could be reached', () => {
    expect(toReplyError(new BackendFailure('unreachable', 'away'))).toMatchObject({
      code: 'no_healthy_server',
      retryAfterSeconds: 1,
    });
  });
});
