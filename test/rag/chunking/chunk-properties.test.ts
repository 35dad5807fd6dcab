import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { countTokens } from 'gpt-tokenizer/encoding/cl100k_base';
import type { Chunk } from '../../../rag/chunk.ts';
import { markdownBlocks } from '../../../rag/parsing/markdown-blocks.ts';
import { codeBlocks, plainBlocks } from '../../../rag/parsing/plain-blocks.ts';
import { chunked } from './chunked.ts';

const piece = fc.oneof(
  fc.lorem({ maxCount: 30, mode: 'sentences' }),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom('\n', '\n\n', '\r\n', '# A\n', '## B ##\n', 'C\n===\n', '- ', '1. ', '```\n', '    ', '|'),
  fc.constantFrom(
    '| a | b |\n|---|---|\n',
    '| 1 | 2 |\n',
    '🙂',
    '漢字かな交じり文。',
    '<|endoftext|>',
    '\u00a0',
  ),
  fc.nat({ max: 3_000 }).map((length) => 'x'.repeat(length)),
);
const document = fc.array(piece, { maxLength: 60 }).map((pieces) => pieces.join(''));
const settings = fc.record({ tokens: fc.integer({ min: 16, max: 200 }), overlap: fc.nat({ max: 15 }) });
const scanner = fc.constantFrom(markdownBlocks, plainBlocks, codeBlocks);

test('nothing of a text is lost, spans are right, sizes bounded, and the chunks the same each time', () => {
  fc.assert(
    fc.property(document, settings, scanner, (text, limits, blocksOf) => {
      const chunks = chunked(text, limits, blocksOf);

      expect(uncovered(text, chunks).trim()).toBe('');
      for (const [index, chunk] of chunks.entries()) {
        const found = text.slice(chunk.charStart, chunk.charEnd);
        const isWhole = chunk.text === found;
        // Else it begins with the header of its table.
        expect(isWhole || (chunk.text.endsWith(`\n${found}`) && text.includes(headerOf(chunk, found)))).toBe(
          true,
        );
        expect(chunk.ordinal).toBe(index);
        expect(chunk.text.trim()).not.toBe('');
        expect(chunk.tokens).toBeLessThanOrEqual(limits.tokens);
        // Pieces counted by themselves may come to a little less than the whole.
        expect(countTokens(chunk.text, { disallowedSpecial: new Set() })).toBeLessThanOrEqual(
          limits.tokens * 1.1 + 4,
        );
      }
      expect(chunked(text, limits, blocksOf)).toEqual(chunks);
    }),
    { numRuns: 60 },
  );
});

test('no chunk ends in the middle of a character', () => {
  for (const { text } of chunked('🙂'.repeat(5_000), { tokens: 33 }, plainBlocks)) {
    expect(text.isWellFormed()).toBe(true);
  }
});

test('twice the text takes about twice the time', () => {
  const paragraph = 'The quick brown fox jumps over the lazy dog, again and again. '.repeat(20);
  // The best of three: whatever else the machine does makes some of them slow.
  const timeOf = (text: string) =>
    Math.min(
      ...[1, 2, 3].map(() => {
        const start = performance.now();
        chunked(text, {}, markdownBlocks);
        return performance.now() - start;
      }),
    );
  const many = (count: number) => `${paragraph}\n\n`.repeat(count);
  timeOf(many(100));

  // Quadratic would be a hundredfold.
  expect(timeOf(many(2_000))).toBeLessThan(40 * Math.max(timeOf(many(200)), 10));
});

test('fifty megabytes in one line without a blank are cut, in bounded time and into bounded chunks', () => {
  const line = 'QmFzZTY0'.repeat(6_250_000);

  const start = performance.now();
  const chunks = chunked(line, {}, plainBlocks);

  expect(performance.now() - start).toBeLessThan(30_000);
  expect(chunks.at(-1)?.charEnd).toBe(line.length);
  expect(Math.max(...chunks.map(({ text }) => text.length))).toBeLessThanOrEqual(1_600);
});

function uncovered(text: string, chunks: readonly Chunk[]): string {
  let rest = '';
  let at = 0;
  for (const { charStart, charEnd } of chunks) {
    rest += text.slice(at, Math.max(at, charStart));
    at = Math.max(at, charEnd);
  }
  return rest + text.slice(at);
}

const headerOf = (chunk: Chunk, found: string) => chunk.text.slice(0, -found.length - 1);
