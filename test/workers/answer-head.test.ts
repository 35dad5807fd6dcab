import { describe, expect, test } from '@jest/globals';
import { withHead } from '../../workers/answer-head.ts';

const FALLBACK = { id: 'job_1', model: 'asked', createdSeconds: 77 };
const OURS = { id: 'job_1', created: 77, model: 'asked', object: 'chat.completion' };
const complete = (text: string) => withHead(text, JSON.parse(text), 'chat.completion', FALLBACK);

describe('an answer that names itself', () => {
  test('stays byte for byte as it was, 64-bit numbers and blanks too', () => {
    const text = ` {"seed": 12345678901234567890, "id":"\\u0061","object":"chat.completion",\n "created":1.7e9, "model" : "m","choices":[1.0]} `;

    expect(complete(text)).toBe(text);
  });
});

describe('an answer that does not', () => {
  test.each([
    [{}, OURS],
    [{ id: null, created: null, model: null, object: null }, OURS],
    [{ id: '', created: '5', model: '', object: '' }, OURS],
    [{ id: 1, created: {}, model: ['m'], object: 'chat.completion.chunk' }, OURS],
    [
      { id: 'a', created: 5.9 },
      { ...OURS, id: 'a', created: 5 },
    ],
    [
      { model: 'm', created: 0 },
      { ...OURS, model: 'm', created: 0 },
    ],
  ])('is filled up: %j', (head, expected) => {
    const rest = { choices: [{ index: 0, id: null }], vendor: { model: null } };

    expect(JSON.parse(complete(JSON.stringify({ ...head, ...rest })))).toEqual({ ...expected, ...rest });
  });

  test('keeps everything else byte for byte', () => {
    expect(complete('{"seed":12345678901234567890, "id": null ,"x":[1.0, {"id":null}]}')).toBe(
      '{"seed":12345678901234567890, "id": "job_1" ,"x":[1.0, {"id":null}],' +
        '"created":77,"model":"asked","object":"chat.completion"}',
    );
  });
});
