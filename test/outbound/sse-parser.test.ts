import { describe, expect, test } from '@jest/globals';
import { createSseParser } from '../../outbound/sse-parser.ts';

function parse(pieces: (string | Buffer)[]): string[] {
  const events: string[] = [];
  const parser = createSseParser((data) => events.push(data));
  for (const piece of pieces) parser.push(Buffer.from(piece as string));
  parser.end();
  return events;
}

const bytesOf = (text: string): Buffer[] => [...Buffer.from(text)].map((byte) => Buffer.from([byte]));

describe('the event stream parser', () => {
  test.each([
    ['LF', 'data: one\n\ndata: two\n\n'],
    ['CRLF', 'data: one\r\n\r\ndata: two\r\n\r\n'],
    ['CR', 'data: one\r\rdata: two\r\r'],
    ['no space after the colon', 'data:one\n\ndata:two\n\n'],
    ['a byte order mark', '\uFEFFdata: one\n\ndata: two\n\n'],
    [
      'comments, names, ids and retries',
      ': hi\n\nevent: x\nid: 1\nretry: 5\ndata: one\n\n: ping\n\ndata: two\n\n',
    ],
    ['events without data', 'data:\n\ndata: one\n\nevent: x\n\ndata: two\n\n'],
    ['no last blank line', 'data: one\n\ndata: two'],
    ['one line end at the end', 'data: one\n\ndata: two\r\n'],
  ])('reads the same events, whole and byte by byte: %s', (_name, text) => {
    expect(parse([text])).toEqual(['one', 'two']);
    expect(parse(bytesOf(text))).toEqual(['one', 'two']);
  });

  test('joins the data lines of one event with line feeds', () => {
    expect(parse(['data: {"a":\ndata: 1}\n\n'])).toEqual(['{"a":\n1}']);
  });

  test('keeps characters whole that are cut between reads', () => {
    expect(parse(bytesOf('data: grüße 🦊 日本\n\n'))).toEqual(['grüße 🦊 日本']);
  });

  test.each([
    ['one line', () => Buffer.from('x'.repeat(64 * 1024))],
    ['many lines', () => Buffer.from(`${'x'.repeat(64 * 1024)}\ndata: `)],
  ])('refuses an event over 4 MB: %s', (_name, piece) => {
    const parser = createSseParser(() => {});
    parser.push(Buffer.from('data: '));
    const pushAll = () => {
      for (let i = 0; i < 70; i++) parser.push(piece());
    };
    expect(pushAll).toThrow(expect.objectContaining({ kind: 'too_large' }));
  });
});
