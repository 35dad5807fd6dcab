import { describe, expect, test } from '@jest/globals';
import { itemsToSplit, joinEmbeddings, splitEmbeddings } from '../../workers/embeddings-split.ts';

const TEXTS = Array.from({ length: 65 }, (_, index) => `text ${index}`);

const answerTo = (count: number, usage?: object) =>
  JSON.stringify({
    object: 'list',
    data: Array.from({ length: count }, (_, index) => ({ object: 'embedding', index, embedding: [index] })),
    model: 'm',
    usage,
  });

describe('splitting', () => {
  test('gives each part as many items, and leaves all else byte for byte', () => {
    const body = `{"seed":12345678901234567890, "input": ${JSON.stringify(TEXTS)},"model":"m"}`;

    const parts = splitEmbeddings(body, itemsToSplit(body) ?? [], 2);

    expect(parts.map(({ size }) => size)).toEqual([33, 32]);
    expect(parts[1]?.body).toBe(
      `{"seed":12345678901234567890, "input": ${JSON.stringify(TEXTS.slice(33))},"model":"m"}`,
    );
  });

  test.each([
    ['64 texts', TEXTS.slice(0, 64)],
    ['a long text', 'long '.repeat(1_000)],
    ['the tokens of one text', TEXTS.map((_, index) => index)],
  ])('is not for %s', (_, input) => {
    expect(itemsToSplit(JSON.stringify({ model: 'm', input }))).toBeNull();
  });
});

describe('joining', () => {
  test('numbers the embeddings anew and adds what the parts used', () => {
    const { body, usage } = joinEmbeddings([
      { body: answerTo(2, { prompt_tokens: 3, total_tokens: 3 }), size: 2 },
      { body: answerTo(1, { prompt_tokens: 4, total_tokens: 5 }), size: 1 },
    ]);

    expect(JSON.parse(body).data.map(({ index, embedding }: never) => [index, embedding])).toEqual([
      [0, [0]],
      [1, [1]],
      [2, [0]],
    ]);
    expect(usage).toEqual({ prompt_tokens: 7, total_tokens: 8 });
  });

  test('says nothing of usage where no server did', () => {
    const { body, usage } = joinEmbeddings([{ body: answerTo(1), size: 1 }]);

    expect([usage, Object.hasOwn(JSON.parse(body), 'usage')]).toEqual([undefined, false]);
  });

  test('refuses a part that has not as many embeddings as it was asked for', () => {
    const parts = [
      { body: answerTo(2), size: 2 },
      { body: answerTo(1), size: 2 },
    ];

    expect(() => joinEmbeddings(parts)).toThrow('another number of embeddings');
  });
});
