import { describe, expect, test } from '@jest/globals';
import { createSseParser } from '../../outbound/sse-parser.ts';

function parse(pieces: (string | Buffer)[]): string[] {
  const events: string[] = [];
  const parser = createSseParser((data) => events.push(data));
  for (const piece of pieces) parser.push(Buffer.from(piece as string));
  parser.end();
  return events;
}

/** Whole numbers below `limit`, the same ones for the same seed. */
function randomFrom(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % limit;
  };
}

function cutAtRandom(text: string, random: (limit: number) => number): string[] {
  const pieces: string[] = [];
  for (let at = 0; at < text.length; ) {
    const length = 1 + random(12);
    pieces.push(text.slice(at, at + length));
    at += length;
  }
  return pieces;
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

  test('reads a mixture of all forms the same however it is cut', () => {
    const forms = [
      'data: a\n\n',
      ': ping\n\n',
      'id: 1\ndata: b\n\n',
      '\n',
      'data:c\n\n',
      'data: d\ndata: e\n\n',
    ];
    const random = randomFrom(7);
    for (let round = 0; round < 200; round++) {
      const text = Array.from({ length: 30 }, () => forms[random(forms.length)]).join('');
      const withReturn = round % 2 === 0 ? text : `${text}data: f\r\n\r\n${text}`;
      expect(parse(cutAtRandom(withReturn, random))).toEqual(parse(bytesOf(withReturn)));
      const events = withReturn
        .match(/data: ?[a-f](\ndata: e)?/g)
        ?.map((event) => event.replaceAll(/data: ?/g, ''));
      expect(parse([withReturn])).toEqual(events);
    }
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
