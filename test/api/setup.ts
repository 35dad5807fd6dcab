import { expect } from '@jest/globals';

/** For beforeAll: a machine that is busy takes much longer than the usual seconds to make a database. */
export const START_LIMIT_MS = 120_000;

/** The one error shape, all four keys, with these values. */
export function errorOf(
  code: string,
  fields: { param?: string | null; message?: string | RegExp } = {},
): object {
  const { param = null, message = /./ } = fields;
  return {
    error: {
      message: typeof message === 'string' ? message : expect.stringMatching(message),
      type: expect.stringMatching(/_error$/),
      param,
      code,
    },
  };
}
