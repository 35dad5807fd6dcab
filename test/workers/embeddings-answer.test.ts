import { describe, expect, test } from '@jest/globals';
import { toEmbeddingsAnswer } from '../../workers/embeddings-answer.ts';

const FLOATS = [0.5, -2, 0.25];
const BASE64 = 'AAAAPwAAAMAAAIA+';
const ASKS_FLOATS = '{"model":"e","input":"x"}';
const ASKS_BASE64 = '{"model":"e","input":"x","encoding_format":"base64"}';

const item = (index: number | undefined, embedding: unknown) => ({ object: 'embedding', index, embedding });
const answerOf = (...data: object[]) =>
  JSON.stringify({ object: 'list', data, model: 'e', usage: { prompt_tokens: 2 } });

const convert = (text: string, request: string) => JSON.parse(toEmbeddingsAnswer(text, request).body);

describe('an embeddings answer', () => {
  test.each([
    ['floats', ASKS_FLOATS, '[0.10000000000000000001,2]'],
    ['floats by name', '{"encoding_format":"float"}', '[1]'],
    ['base64', ASKS_BASE64, `"${BASE64}"`],
  ])('that is right already passes byte for byte: %s', (_, request, embedding) => {
    const text = `{ "data":[{"embedding":${embedding},"index":0}], "n":12345678901234567890,"usage":{"prompt_tokens":2}}`;

    expect(toEmbeddingsAnswer(text, request)).toEqual({ body: text, usage: { prompt_tokens: 2 } });
  });

  test('is base64 of little-endian float32 for who asked for that', () => {
    expect(convert(answerOf(item(0, FLOATS)), ASKS_BASE64)).toEqual(JSON.parse(answerOf(item(0, BASE64))));
  });

  test('is floats for who asked for floats', () => {
    expect(convert(answerOf(item(0, BASE64)), ASKS_FLOATS)).toEqual(JSON.parse(answerOf(item(0, FLOATS))));
  });

  test('comes in the order of the inputs', () => {
    const shuffled = answerOf(item(2, [2]), item(0, [0]), item(1, [1]));

    expect(convert(shuffled, ASKS_FLOATS)).toEqual(
      JSON.parse(answerOf(item(0, [0]), item(1, [1]), item(2, [2]))),
    );
  });

  test('gets the indexes that its server left out', () => {
    const bare = answerOf(item(undefined, [0]), item(undefined, [1]));

    expect(convert(bare, ASKS_FLOATS)).toEqual(JSON.parse(answerOf(item(0, [0]), item(1, [1]))));
  });

  test('keeps the fields of vendors and the usage when it is converted', () => {
    const text = JSON.stringify({
      data: [{ embedding: FLOATS, extra: 1 }],
      usage: { total_tokens: 9 },
      more: [2],
    });

    expect(toEmbeddingsAnswer(text, ASKS_FLOATS).usage).toEqual({ total_tokens: 9 });
    expect(convert(text, ASKS_FLOATS)).toMatchObject({ more: [2], data: [{ extra: 1, embedding: FLOATS }] });
  });

  test.each([
    ['no data', {}],
    ['no embeddings', { data: [] }],
    ['data of another form', { data: 'x' }],
    ['an item of another form', { data: [[1, 2]] }],
    ['an embedding with a word in it', { data: [{ index: 0, embedding: [1, 'x'] }] }],
    ['an item without its embedding', { data: [{ index: 0 }] }],
    ['an index that is none', { data: [{ index: -1, embedding: [1] }] }],
  ])('is malformed with %s', (_, document) => {
    expect(() => toEmbeddingsAnswer(JSON.stringify(document), ASKS_FLOATS)).toThrow(
      expect.objectContaining({ name: 'BackendFailure', kind: 'malformed' }),
    );
  });
});
