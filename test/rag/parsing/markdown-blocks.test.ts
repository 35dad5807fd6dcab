import { expect, test } from '@jest/globals';
import { markdownBlocks } from '../../../rag/parsing/markdown-blocks.ts';

const seen = (text: string) =>
  markdownBlocks(text).map(({ kind, start, end, heading }) => [
    kind,
    text.slice(start, end).trim(),
    ...(heading ? [heading] : []),
  ]);

test('headings of both styles have their level and what they read as', () => {
  expect(seen('# One *two* [three](x) ##\nText\n\nFour\n====\n\nFive\n---\n')).toEqual([
    ['heading', '# One *two* [three](x) ##', { level: 1, title: 'One two three' }],
    ['paragraph', 'Text'],
    ['heading', 'Four\n====', { level: 1, title: 'Four' }],
    ['heading', 'Five\n---', { level: 2, title: 'Five' }],
  ]);
});

test('code in fences is one block, whatever stands in it', () => {
  expect(seen('Before\n```ts\n# no heading\n\n- no list\n```\nAfter')).toEqual([
    ['paragraph', 'Before'],
    ['code', '```ts\n# no heading\n\n- no list\n```'],
    ['paragraph', 'After'],
  ]);
});

test('a fence that nobody closes goes on to the end', () => {
  expect(seen('~~~\ncode\n\nmore')).toEqual([['code', '~~~\ncode\n\nmore']]);
});

test('tables are told by their second line', () => {
  expect(seen('a | b\n--|--\n1 | 2\n3 | 4\nText\n\n| no table |\n')).toEqual([
    ['table', 'a | b\n--|--\n1 | 2\n3 | 4'],
    ['paragraph', 'Text'],
    ['paragraph', '| no table |'],
  ]);
});

test('a list goes on over empty lines and indented text', () => {
  expect(seen('Intro:\n- one\n\n  still one\n\n- two\n\nText')).toEqual([
    ['paragraph', 'Intro:'],
    ['list', '- one\n\n  still one\n\n- two'],
    ['paragraph', 'Text'],
  ]);
});
