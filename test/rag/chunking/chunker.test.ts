import { expect, test } from '@jest/globals';
import { createChunker } from '../../../rag/chunking/chunker.ts';
import { codeBlocks, plainBlocks } from '../../../rag/parsing/plain-blocks.ts';
import { chunked } from './chunked.ts';

const sentences = (count: number, word = 'river') =>
  Array.from({ length: count }, (_, index) => `The ${word} ${index} runs down to the sea.`).join(' ');

test('a short text is one chunk, without the blanks around it', () => {
  expect(chunked('\n  A short text.\n\n')).toEqual([
    {
      ordinal: 0,
      text: 'A short text.',
      headingPath: [],
      page: null,
      charStart: 3,
      charEnd: 16,
      tokens: 4,
    },
  ]);
});

test('a chunk knows the headings it stands under, and no chunk crosses one', () => {
  const text = '# Guide\n\n## Install\nRun it.\n\n## Use\n### First\nCall it.\n\n# Annex\nMore.';

  expect(chunked(text).map(({ headingPath, text }) => [headingPath, text])).toEqual([
    [['Guide', 'Install'], '# Guide\n\n## Install\nRun it.'],
    [['Guide', 'Use', 'First'], '## Use\n### First\nCall it.'],
    [['Annex'], '# Annex\nMore.'],
  ]);
});

test('a paragraph that fits is not cut: it begins the next chunk', () => {
  const first = sentences(8);
  const second = sentences(8, 'brook');

  const chunks = chunked(`${first}\n\n${second}`, { tokens: 100, overlap: 0 });

  expect(chunks.map(({ text }) => text)).toEqual([first, second]);
});

test('a long paragraph is cut between sentences, and each chunk repeats the last sentences before it', () => {
  const chunks = chunked(sentences(60), { tokens: 100, overlap: 20 });

  expect(chunks.length).toBeGreaterThan(5);
  for (const [index, { text, charStart, tokens }] of chunks.entries()) {
    expect(text).toMatch(/^The river \d+ runs.*sea\.$/s);
    expect(tokens).toBeLessThanOrEqual(100);
    const before = chunks[index - 1];
    if (before) expect(before.charEnd - charStart).toBeGreaterThan(30);
  }
});

test('a sentence that is longer than a chunk is cut between words, and its last words are repeated', () => {
  const text = Array.from({ length: 500 }, (_, index) => `word${index}`).join(' ');

  const chunks = chunked(text, { tokens: 100, overlap: 20 }, plainBlocks);

  for (const { text } of chunks) expect(text).toMatch(/^word\d+( word\d+)*$/);
  for (const [index, { charStart }] of chunks.slice(1).entries()) {
    expect(charStart).toBeLessThan(chunks[index]?.charEnd ?? 0);
  }
});

test('a table stands whole where it fits', () => {
  const table = '| Name | Size |\n|---|---|\n| a | 1 |\n| b | 2 |';

  expect(chunked(`Before.\n\n${table}\n\nAfter.`).map(({ text }) => text)).toEqual([
    `Before.\n\n${table}\n\nAfter.`,
  ]);
});

test('a table that must be cut is cut between rows, and each chunk begins with its header', () => {
  const header = '| Name | Size |\n|---|---|';
  const rows = Array.from({ length: 100 }, (_, index) => `| item ${index} | ${index} |`);

  const chunks = chunked(`${header}\n${rows.join('\n')}`, { tokens: 100 });

  expect(chunks.length).toBeGreaterThan(5);
  for (const { text, tokens } of chunks) {
    expect(text.startsWith(`${header}\n| item`)).toBe(true);
    expect(tokens).toBeLessThanOrEqual(100);
  }
  expect(chunks.flatMap(({ text }) => text.split('\n').slice(2))).toEqual(rows);
});

test('a list that must be cut is cut between its points', () => {
  const points = Array.from({ length: 40 }, (_, index) => `- point ${index}\n  goes on here`);

  const chunks = chunked(points.join('\n'), { tokens: 60, overlap: 0 });

  expect(chunks.length).toBeGreaterThan(3);
  for (const { text } of chunks) expect(text).toMatch(/^- point[\s\S]*goes on here$/);
});

test('code that must be cut is cut before what stands at its margin', () => {
  const functions = Array.from(
    { length: 30 },
    (_, index) => `function f${index}() {\n  const a = ${index};\n\n  return a;\n}`,
  );

  const chunks = chunked(functions.join('\n\n'), { tokens: 60 }, codeBlocks);

  for (const { text } of chunks) expect(text).toMatch(/^function[\s\S]*\n}$/);
  expect(chunks.map(({ text }) => text).join('\n\n')).toBe(functions.join('\n\n'));
});

test('a document whose first pages have their chunks goes on with the next number', () => {
  const page = (number: number) => ({
    page: number,
    start: (number - 1) * 10,
    text: `Page ${number}.`,
    blocks: plainBlocks(`Page ${number}.`),
  });
  const whole = createChunker({ tokens: 400, overlap: 60 });
  const all = [1, 2, 3].flatMap((number) => [...whole.chunksOf(page(number))]);

  const resumed = createChunker({ tokens: 400, overlap: 60 }, 2);

  expect([...resumed.chunksOf(page(3))]).toEqual([all[2]]);
  expect(all[2]).toMatchObject({ ordinal: 2, page: 3, charStart: 20, charEnd: 27 });
});

test('what looks like a special token is text', () => {
  expect(chunked('Say <|endoftext|> to end.').map(({ text }) => text)).toEqual(['Say <|endoftext|> to end.']);
});
