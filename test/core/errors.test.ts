import { describe, expect, test } from '@jest/globals';
import { AppError, ERRORS, type ErrorCode, toAppError, toErrorBody } from '../../core/errors.ts';

const CODES = Object.keys(ERRORS) as ErrorCode[];

describe('the table of errors', () => {
  test('has a status of HTTP for each code, and says that only those of the moment may be asked again', () => {
    const retried = CODES.filter((code) => ERRORS[code].retry === 'later').map((code) => ERRORS[code].status);

    expect(CODES.every((code) => ERRORS[code].status >= 400 && ERRORS[code].status < 600)).toBe(true);
    expect([...new Set(retried)].sort()).toEqual([408, 429, 500, 502, 503, 504]);
  });
});

describe('an error', () => {
  test.each(CODES)('%s has all four keys of the one shape', (code) => {
    expect(toErrorBody(new AppError(code, 'what went wrong'))).toEqual({
      error: { message: 'what went wrong', type: ERRORS[code].type, param: null, code },
    });
  });

  test('names the field that is wrong', () => {
    const error = new AppError('invalid_request', 'wrong', { param: 'messages[0].role' });

    expect(error.status).toBe(400);
    expect(toErrorBody(error).error.param).toBe('messages[0].role');
  });

  test.each([
    [
      { type: 'BadRequest', code: '42' },
      { type: 'BadRequest', code: '42' },
    ],
    [
      { type: null, code: null },
      { type: 'invalid_request_error', code: 'invalid_request' },
    ],
  ])("shows a model server's own type and code where it named them: %j", (reported, shown) => {
    const { error } = toErrorBody(new AppError('invalid_request', 'wrong', { reported }));

    expect(error).toEqual({ message: 'wrong', param: null, ...shown });
  });

  test('keeps its cause from the caller', () => {
    const cause = new Error('postgres://user:secret@10.0.0.5');

    const error = new AppError('store_unavailable', 'The store is away.', { cause });

    expect(error.cause).toBe(cause);
    expect(JSON.stringify(toErrorBody(error))).not.toContain('secret');
  });
});

describe('anything thrown', () => {
  test('that is an AppError stays what it is', () => {
    const error = new AppError('not_found', 'no such job');

    expect(toAppError(error)).toBe(error);
  });

  test.each([[new TypeError('secret')], ['secret'], [{ code: 'not_found', message: 'secret' }], [undefined]])(
    'else becomes internal, its own text for the log only: %p',
    (thrown) => {
      const error = toAppError(thrown);

      expect(error).toMatchObject({ code: 'internal', status: 500 });
      expect(error.cause).toBe(thrown);
      expect(JSON.stringify(toErrorBody(error))).not.toContain('secret');
    },
  );
});
