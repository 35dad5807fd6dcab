import { describe, expect, test } from '@jest/globals';
import { DURATION_MAX_MS, parseDuration } from '../../workflows/duration.ts';

describe('a duration', () => {
  test.each([
    ['0s', 0],
    ['500ms', 500],
    ['2s', 2_000],
    ['5m', 300_000],
    ['1h', 3_600_000],
    ['2d', 172_800_000],
    ['366d', DURATION_MAX_MS],
  ])('%s is %d ms', (text, expected) => {
    expect(parseDuration(text)).toBe(expected);
  });

  test.each([
    '',
    '5',
    's',
    '-1s',
    '1.5s',
    '1 s',
    '1s ',
    '1S',
    '1w',
    '1s2m',
    '٣s',
    '9999999999999ms',
    '1e3ms',
    '1s\n',
  ])('in any other form is refused and told what is right: %j', (text) => {
    expect(() => parseDuration(text)).toThrow(
      expect.objectContaining({ code: 'invalid_request', message: expect.stringContaining('"500ms"') }),
    );
  });

  test.each(['367d', '8785h', '999999999999d'])('beyond 366 days is refused: %s', (text) => {
    expect(() => parseDuration(text)).toThrow('at most 366 days');
  });
});
