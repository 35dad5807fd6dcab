import { Readable } from 'node:stream';
import { expect, test } from '@jest/globals';
import { pdfFile } from '../../support/pdf-file.ts';
import { setup } from './setup.ts';

const LONG = 'A sentence of some words, and one more. '.repeat(50_000);

test('a document that takes too long is refused, and the next one is read', async () => {
  const { parts, text } = setup({ timeLimitMs: 5_000 });
  await text('Warm.');

  await expect(parts(LONG.repeat(40))).rejects.toMatchObject({ reasonCode: 'timed_out' });

  expect(await text('Next.')).toBe('Next.');
});

test('a document that takes too much memory is refused, and the next one is read', async () => {
  const { parts, text } = setup({ memoryMb: 32 });

  await expect(parts(`[${'{"a":[]},'.repeat(900_000)}1]`, { fileName: 'a.json' })).rejects.toMatchObject({
    reasonCode: 'out_of_memory',
  });

  expect(await text('Next.')).toBe('Next.');
});

test('the time that the reader takes between two parts does not count', async () => {
  const { pool } = setup({ timeLimitMs: 5_000 });
  const source = {
    bytes: Readable.from([pdfFile([['One.'], ['Two.']])]),
    fileName: null,
    mediaType: null,
    chunk: { tokens: 400, overlap: 0 },
    position: null,
  };
  const texts: string[] = [];

  for await (const { chunks } of pool.read(source, new AbortController().signal)) {
    texts.push(...chunks.map(({ text }) => text));
    await new Promise((resolve) => setTimeout(resolve, 2_600));
  }

  expect(texts).toEqual(['One.', 'Two.']);
});

test('an abort ends a read at once, and one that waits for its turn too', async () => {
  const { parts, text } = setup();
  await text('Warm.');
  const abort = new AbortController();
  const reads = [parts(LONG.repeat(20), { signal: abort.signal }), parts('Short.', { signal: abort.signal })];
  const outcomes = Promise.allSettled(reads);

  const startedMs = performance.now();
  setTimeout(() => abort.abort(new Error('gone')), 100);

  expect(await outcomes).toMatchObject([
    { status: 'rejected', reason: { message: 'gone' } },
    { status: 'rejected', reason: { message: 'gone' } },
  ]);
  expect(performance.now() - startedMs).toBeLessThan(3_000);
  expect(await text('Next.')).toBe('Next.');
});

test('more documents than threads are read in turn', async () => {
  const { text } = setup({ threads: 2 });
  const texts = Array.from({ length: 20 }, (_, index) => `Document ${index}.`);

  expect(await Promise.all(texts.map((one) => text(one)))).toEqual(texts);
});
