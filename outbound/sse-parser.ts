import { createParser } from 'eventsource-parser';
import { BackendFailure } from '../core/backend-failure.ts';

const EVENT_CHARS_MAX = 4 * 1024 * 1024;
/** An event that is longer is the library's, which does not look at what it has again with each piece. */
const PLAIN_CHARS_MAX = 64 * 1024;
const PREFIX = 'data: ';

export interface SseParser {
  /** Takes a piece of the body as it came off the wire, cut anywhere. Throws BackendFailure (`too_large`) when one
   *  event grows over 4 MB, and whatever `onData` throws; after that the parser is of no more use. */
  push(chunk: Buffer): void;
  /** The body is over: hands out the last event also where its closing blank line is missing. */
  end(): void;
}

/**
 * Hands each event's `data:` text to `onData`. Comments, names, ids and events without data are passed over.
 * Model servers write nearly every event as one `data: ` line and a blank one. Those are cut out here: measured, the
 * library takes a seventh of a request's time for them. Whatever looks different is the library's.
 */
export function createSseParser(onData: (data: string) => void): SseParser {
  const decoder = new TextDecoder();
  let isPlain = true;
  /** The beginning of an event whose end has not come. */
  let rest = '';
  let overflown = false;

  const parser = createParser({
    maxBufferSize: EVENT_CHARS_MAX,
    onEvent: ({ data }) => {
      if (data !== '') onData(data);
    },
    onError: ({ type }) => {
      overflown ||= type === 'max-buffer-size-exceeded';
    },
  });

  return {
    push: (chunk) => feed(decoder.decode(chunk, { stream: true })),
    end: () => feed(`${decoder.decode()}\n\n`),
  };

  function feed(text: string): void {
    const all = rest === '' ? text : rest + text;
    rest = '';
    // A carriage return ends lines too, and may be the first half of a line end.
    isPlain &&= !text.includes('\r');
    const read = isPlain ? readPlain(all) : 0;
    const left = read === 0 ? all : all.slice(read);
    isPlain &&= left.length <= PLAIN_CHARS_MAX;
    if (isPlain) rest = left;
    else feedLibrary(left);
  }

  /** How far the text holds whole events. */
  function readPlain(text: string): number {
    let at = 0;
    for (;;) {
      const end = text.indexOf('\n\n', at);
      if (end === -1) return at;
      if (text.slice(at, at + PREFIX.length) === PREFIX && text.indexOf('\n', at) === end) {
        if (end > at + PREFIX.length) onData(text.slice(at + PREFIX.length, end));
      } else {
        feedLibrary(text.slice(at, end + 2));
      }
      at = end + 2;
    }
  }

  function feedLibrary(text: string): void {
    parser.feed(text);
    if (overflown) throw new BackendFailure('too_large', 'The model server sent an event that is too large.');
  }
}
