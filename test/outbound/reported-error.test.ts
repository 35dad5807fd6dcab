import { describe, expect, test } from '@jest/globals';
import { readNamedStatus, readReportedError } from '../../outbound/reported-error.ts';
import { parseRetryAfter } from '../../outbound/retry-after.ts';

const none = { type: null, param: null, code: null };

describe('what a server reports of its error', () => {
  test.each([
    [
      "OpenAI's shape",
      {
        error: {
          message: 'too long',
          type: 'invalid_request_error',
          param: 'messages',
          code: 'context_length_exceeded',
        },
      },
      {
        message: 'too long',
        type: 'invalid_request_error',
        param: 'messages',
        code: 'context_length_exceeded',
      },
    ],
    [
      'a code that is a number',
      { error: { message: 'bad', type: 'BadRequestError', code: 400 } },
      { ...none, message: 'bad', type: 'BadRequestError', code: '400' },
    ],
    [
      "vLLM's older shape",
      { object: 'error', message: 'bad', type: 'BadRequestError', param: null, code: 400 },
      { ...none, message: 'bad', type: 'BadRequestError', code: '400' },
    ],
    ["FastAPI's text", { detail: 'Not Found' }, { ...none, message: 'Not Found' }],
    [
      "FastAPI's list",
      { detail: [{ loc: ['body', 'model'], msg: 'field required', type: 'missing' }] },
      { ...none, message: 'body.model: field required', param: 'body.model' },
    ],
    ["Ollama's text", { error: 'model not found' }, { ...none, message: 'model not found' }],
    [
      'odd side fields',
      { error: { message: 'bad', type: 7, param: {}, code: [] } },
      { ...none, message: 'bad' },
    ],
  ])('is read from %s', (_name, body, expected) => {
    expect(readReportedError(body)).toEqual(expected);
  });

  test.each([
    [undefined],
    [null],
    ['text'],
    [[]],
    [{}],
    [{ error: null }],
    [{ error: {} }],
    [{ message: 'alone' }],
  ])('is nothing for %j', (body) => {
    expect(readReportedError(body)).toBeUndefined();
  });

  test('is cut at 4000 characters', () => {
    expect(readReportedError({ error: 'x'.repeat(10_000) })?.message).toHaveLength(4_000);
  });

  test.each([
    [{ error: { code: 400 } }, 400],
    [{ error: { status: 503, code: 'oops' } }, 503],
    [{ object: 'error', code: 404 }, 404],
    [{ error: { code: 'invalid' } }, undefined],
    [{ error: { code: 200 } }, undefined],
    [{ error: 'text' }, undefined],
  ])('names its status: %j', (body, expected) => {
    expect(readNamedStatus(body)).toBe(expected);
  });
});

describe('Retry-After', () => {
  const now = new Date('2026-11-01T12:00:00Z');
  test.each([
    ['7', 7],
    ['1.2', 2],
    ['0', 0],
    ['999999', 3_600],
    ['Sun, 01 Nov 2026 12:00:30 GMT', 30],
    ['Sun, 01 Nov 2026 11:00:00 GMT', 0],
    ['Sun, 01 Nov 2027 12:00:00 GMT', 3_600],
    ['soon', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('%s is %s seconds', (header, expected) => {
    expect(parseRetryAfter(header, now)).toBe(expected);
  });
});
