import { createParser } from 'eventsource-parser';
import { BackendFailure } from '../core/backend-failure.ts';

const EVENT_CHARS_MAX = 4 * 1024 * 1024;

export interface SseParser {
  /** Takes a piece of the body as it came off the wire, cut anywhere. Throws BackendFailure (`too_large`) when one
   *  event grows over 4 MB, and whatever `onData` throws; after that the parser is of no more use. */
  push(chunk: Buffer): void;
  /** The body is over: hands out the last event also where its closing blank line is missing. */
  end(): void;
}

/** Hands each event's `data:` text to `onData`. Comments, names, ids and events without data are passed over. */
export function createSseParser(onData: (data: string) => void): SseParser {
  const decoder = new TextDecoder();
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

  function feed(text: string): void {
    parser.feed(text);
    if (overflown) throw new BackendFailure('too_large', 'The model server sent an event that is too large.');
  }

  return {
    push: (chunk) => feed(decoder.decode(chunk, { stream: true })),
    end: () => feed(`${decoder.decode()}\n\n`),
  };
}
