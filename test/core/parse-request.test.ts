import { describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { parseRequest } from '../../core/parse-request.ts';

const Schema = z.looseObject({
  model: z.string(),
  messages: z.array(z.looseObject({ role: z.string() })).min(1),
  options: z.looseObject({ flags: z.array(z.boolean()) }).nullish(),
});
const RIGHT = { model: 'm', messages: [{ role: 'user' }] };

describe('a request', () => {
  test('that is right passes, unknown fields too', () => {
    const body = { ...RIGHT, vendor: { a: 1 }, messages: [{ role: 'user', extra: 1 }] };

    expect(parseRequest(Schema, body)).toEqual(body);
  });

  test.each([
    [{ ...RIGHT, model: 5 }, 'model'],
    [{ ...RIGHT, messages: [] }, 'messages'],
    [{ ...RIGHT, messages: [{ role: 'user' }, { role: 5 }] }, 'messages[1].role'],
    [{ ...RIGHT, options: { flags: [true, 'x'] } }, 'options.flags[1]'],
    [{ model: 5, messages: 5 }, 'model'],
  ])('that is wrong is refused with the first field that is: %j', (body, param) => {
    expect(() => parseRequest(Schema, body)).toThrow(
      expect.objectContaining({
        code: 'invalid_request',
        status: 400,
        param,
        message: expect.stringMatching(/^'.+' is wrong: .+[^.]\.$/),
      }),
    );
  });

  test.each([[null], [[]], ['text']])('that is no object names no field: %j', (body) => {
    expect(() => parseRequest(Schema, body)).toThrow(
      expect.objectContaining({ param: null, message: expect.stringMatching(/^The request is wrong: /) }),
    );
  });

  test('is never quoted in the refusal: it may hold what is not for logs', () => {
    expect(() => parseRequest(Schema, { ...RIGHT, model: ['my secret'] })).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('secret') }),
    );
  });
});
