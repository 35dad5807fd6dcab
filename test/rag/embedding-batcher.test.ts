import { expect, test } from '@jest/globals';
import { AppError } from '../../core/errors.ts';
import type { EmbedCache } from '../../rag/embed-cache.ts';
import type { EmbedRequest } from '../../rag/embedder.ts';
import { createEmbeddingBatcher } from '../../rag/embedding-batcher.ts';

const never = new AbortController().signal;

function setup(answer: (texts: readonly string[]) => void = () => {}) {
  const kept = new Map<string, Float32Array>();
  const cache: EmbedCache = {
    read: async (_, hashes) =>
      new Map(hashes.flatMap((hash) => (kept.has(hash) ? [[hash, kept.get(hash) as Float32Array]] : []))),
    async write(_, vectors) {
      for (const [hash, vector] of vectors) kept.set(hash, vector);
    },
  };
  const calls: string[][] = [];
  const embedder = {
    async embed({ texts }: EmbedRequest) {
      calls.push([...texts]);
      answer(texts);
      return texts.map((text) => Float32Array.of(text.length, 1));
    },
  };
  const batcher = createEmbeddingBatcher({ embedder, cache, textsMax: 4, tokensMax: 1_000, callsMax: 2 });
  const embed = (...texts: string[]) =>
    batcher.embed(
      { model: 'm', keyName: null, weight: 1, texts: new Map(texts.map((text) => [text, text])) },
      never,
    );
  return { calls, kept, embed };
}

test('texts of several documents go together, each once', async () => {
  const { calls, embed } = setup();

  const [first, second] = await Promise.all([embed('a', 'b'), embed('b', 'c')]);

  expect(calls).toEqual([['a', 'b', 'c']]);
  expect([...first.vectors.keys(), ...second.vectors.keys()]).toEqual(['a', 'b', 'b', 'c']);
});

test('a call has at most so many texts and tokens', async () => {
  const { calls, embed } = setup();

  await embed('1', '2', '3', '4', '5', 'x'.repeat(2_000), 'y'.repeat(2_000));

  expect(calls.map((texts) => texts.length)).toEqual([4, 2, 1]);
});

test('a text that is rejected is found by halves, and the others are paid for once', async () => {
  const { calls, kept, embed } = setup((texts) => {
    if (texts.includes('bad')) throw new AppError('invalid_request', 'no');
  });

  const { vectors, rejected } = await embed('a', 'b', 'bad', 'c');

  expect([...rejected]).toEqual([['bad', 'no']]);
  expect([...vectors.keys()].sort()).toEqual(['a', 'b', 'c']);
  expect([...kept.keys()].sort()).toEqual(['a', 'b', 'c']);
  expect(calls).toEqual([['a', 'b', 'bad', 'c'], ['a', 'b'], ['bad', 'c'], ['bad'], ['c']]);
});

test.each([
  ['rate_limit_exceeded', 'rate_limited', 7_000],
  ['no_healthy_server', 'embedder_down', 1_000],
] as const)('%s makes everybody wait, and asks nobody meanwhile', async (code, on, afterMs) => {
  const { calls, embed } = setup(() => {
    throw new AppError(code, 'later', code === 'rate_limit_exceeded' ? { retryAfterSeconds: 7 } : {});
  });

  await expect(embed('a')).rejects.toMatchObject({ on, afterMs });
  await expect(embed('b')).rejects.toMatchObject({ on });

  expect(calls).toHaveLength(1);
});

test('what the cache has is not paid for', async () => {
  const { calls, embed } = setup();
  await embed('a');

  await embed('a');

  expect(calls).toHaveLength(1);
});
