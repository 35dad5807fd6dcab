import type { WireScript } from './wire-script.ts';

/** The right answer to one call, in parts that a fault may leave out. */
export interface Answer {
  /** Tokens of its longest choice; 0 for embeddings. */
  tokenCount: number;
  /** The whole answer as one JSON text. */
  document(): string;
  /** The same document with nothing in its `choices` or `data`. */
  hollowDocument(): string;
  /** Its events; undefined when no stream was asked for. */
  stream: (() => EventParts) | undefined;
}

/** A stream's events as SSE text, blank lines included. */
export interface EventParts {
  /** Role and the like, due with the first token. */
  opening: string;
  /** One entry per token; with several choices an entry holds an event of each. */
  tokens: string[];
  /** The finish reasons. */
  finish: string;
  /** Empty unless usage was asked for. */
  usage: string;
  done: string;
  /** An event that carries `text`. */
  eventOf(text: string): string;
  /** An event whose `choices` are empty. */
  hollow: string;
}

export interface Pace {
  firstTokenMs: number;
  tokenMs: number;
}

export const DONE_EVENT = 'data: [DONE]\n\n';
const STREAM_HEADERS = { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' };

/** The answer as it should be. */
export function rightScript(answer: Answer, pace: Pace): WireScript {
  if (answer.stream === undefined) return documentScript(answer.document(), totalMs(answer, pace));
  return streamScript(eventPieces(answer.stream()), pace);
}

/** How long a document takes at `pace`: as long as its stream would. */
export function totalMs(answer: Answer, pace: Pace): number {
  return pace.firstTokenMs + Math.max(0, answer.tokenCount - 1) * pace.tokenMs;
}

export function documentScript(text: string, afterMs = 0): WireScript {
  const sizeBytes = Buffer.byteLength(text);
  return {
    head: { status: 200, headers: { 'content-type': 'application/json', 'content-length': sizeBytes } },
    isHeadFirst: false,
    pieces: [text],
    // As many bytes as characters: all ASCII, which goes out fastest as latin1.
    encoding: sizeBytes === text.length ? 'latin1' : 'utf8',
    firstMs: afterMs,
    stepMs: 0,
    ending: 'end',
  };
}

export function streamScript(pieces: Iterable<string>, pace: Pace): WireScript {
  return {
    head: { status: 200, headers: STREAM_HEADERS },
    isHeadFirst: true,
    pieces,
    encoding: 'utf8',
    firstMs: pace.firstTokenMs,
    stepMs: pace.tokenMs,
    ending: 'end',
  };
}

/** The events on a timetable: one piece per token, what comes before and after them with the first and the last. */
export function eventPieces(parts: EventParts): string[] {
  const pieces = [...parts.tokens];
  pieces[0] = parts.opening + (pieces[0] ?? '');
  pieces[pieces.length - 1] += parts.finish + parts.usage + parts.done;
  return pieces;
}
