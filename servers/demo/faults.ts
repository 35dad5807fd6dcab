import {
  type Answer,
  DONE_EVENT,
  documentScript,
  type EventParts,
  eventPieces,
  type Pace,
  rightScript,
  streamScript,
  totalMs,
} from './answer-scripts.ts';
import type { Ending, WireScript } from './wire-script.ts';

/** A call that is to go wrong. */
interface FaultyCall {
  answer: Answer;
  pace: Pace;
  /** Whether this very body was sent before. */
  isRepeat: () => boolean;
}

interface Fault {
  about: string;
  play(call: FaultyCall): WireScript;
}

const TRICKLE_MS = 200;
const OVERSIZED_BYTES = 2 ** 30;
const OVERSIZED_PIECE_BYTES = 64 * 1024;
/** Between the pieces of `crlf`, long enough for each to travel by itself. */
const SPLIT_MS = 2;
const BROKEN_EVENT = 'data: {"id":"demo","choices":[{"index":0,"delta":{"content":\n\n';
const BROKEN_DOCUMENT = '{"id":"demo","object":"chat.completion","choices":[{"index":0,"message":{"role":';
const SERVER_ERROR = { message: 'The server had an error.', type: 'server_error' };
const RATE_LIMIT = {
  message: 'Rate limit reached.',
  type: 'rate_limit_error',
  code: 'rate_limit_exceeded',
};
const ENGINE_ERROR =
  '{"error":{"message":"The engine died.","type":"InternalServerError","param":null,"code":500}}';

const MODEL_FIELD = /"model":"[^"]*"/g;
const WRONG_MODEL_FIELD = '"model":"another-model"';

/** Every way in which a simulated server goes wrong, on the routes that generate. */
export const FAULTS = {
  refuse: { about: 'resets the connection at once', play: () => silence('reset') },
  hang: { about: 'never answers and keeps the connection', play: () => silence('hold') },
  'error-500': {
    about: 'answers 500',
    play: () => refusal(500, SERVER_ERROR),
  },
  'error-503': {
    about: 'answers 503',
    play: () => refusal(503, { message: 'The server is overloaded.', type: 'server_error' }),
  },
  'rate-limit': { about: 'answers 429 without Retry-After', play: () => refusal(429, RATE_LIMIT) },
  'rate-limit-retry-after': {
    about: 'answers 429 with Retry-After: 2',
    play: () => refusal(429, RATE_LIMIT, { 'retry-after': '2' }),
  },
  'bad-request': {
    about: 'answers 400 with an integer code, as vLLM does',
    play: () =>
      refusal(400, {
        message: 'The messages are not acceptable.',
        type: 'BadRequestError',
        param: 'messages',
        code: 400,
      }),
  },
  'context-length': {
    about: 'answers 400 context_length_exceeded',
    play: () =>
      refusal(400, {
        message: "This model's maximum context length is 4096 tokens.",
        type: 'invalid_request_error',
        param: 'messages',
        code: 'context_length_exceeded',
      }),
  },
  unauthorized: {
    about: 'answers 401',
    play: () =>
      refusal(401, {
        message: 'Incorrect API key provided.',
        type: 'invalid_request_error',
        code: 'invalid_api_key',
      }),
  },
  'malformed-json': {
    about: 'a broken JSON document, or a stream whose first event is broken JSON',
    play: (call) =>
      inStream(call, (parts) => [BROKEN_EVENT, ...eventPieces(parts)]) ?? later(call, BROKEN_DOCUMENT),
  },
  'malformed-chunk': {
    about: 'a broken event in the middle of a stream that ends well',
    play: (call) =>
      inStream(call, (parts) => eventPieces({ ...parts, tokens: withBrokenMiddle(parts.tokens) })) ??
      later(call, BROKEN_DOCUMENT),
  },
  html: { about: 'answers 200 with an HTML page', play: () => page() },
  empty: {
    about: 'answers 200 with no body, or a stream without events',
    play: (call) => inStream(call, () => []) ?? later(call, ''),
  },
  'error-event': {
    about: 'answers 200 and says in the body, or in an event before [DONE], that it failed',
    play: (call) =>
      inStream(call, () => [`data: ${ENGINE_ERROR}\n\n`, DONE_EVENT]) ?? later(call, ENGINE_ERROR),
  },
  'cut-stream': { about: 'cuts the connection half-way', play: (call) => half(call, 'cut') },
  'no-done': {
    about: 'ends a whole stream without [DONE]',
    play: (call) => inStream(call, (parts) => eventPieces({ ...parts, done: '' })) ?? right(call),
  },
  'no-finish': {
    about: 'ends half-way, cleanly, without finish_reason and [DONE]',
    play: (call) => half(call, 'end'),
  },
  stall: { about: 'falls silent half-way and keeps the connection', play: (call) => half(call, 'hold') },
  'slow-trickle': { about: 'sends one byte each 200 ms (or each token=<ms>), without end', play: trickle },
  oversized: { about: 'sends up to 1 GiB', play: oversized },
  'empty-choices': {
    about: 'a valid answer whose choices are []',
    play: (call) =>
      inStream(call, (parts) => [parts.hollow, parts.done]) ?? later(call, call.answer.hollowDocument()),
  },
  'no-stream': {
    about: 'answers one JSON document although a stream was asked for',
    play: (call) => later(call, call.answer.document()),
  },
  'flaky-500': {
    about: 'answers 500 to a body the first time, and rightly from then on',
    play: (call) => (call.isRepeat() ? right(call) : refusal(500, SERVER_ERROR)),
  },
  'wrong-model': {
    about: "a right answer under another model's name",
    play: (call) => {
      const script = right(call);
      return { ...script, pieces: [[...script.pieces].join('').replaceAll(MODEL_FIELD, WRONG_MODEL_FIELD)] };
    },
  },
  crlf: {
    about: 'a valid stream with CRLF, comment lines and UTF-8 split between packets',
    play: crlf,
  },
} as const satisfies Record<string, Fault>;

export type FaultName = keyof typeof FAULTS;

/** Each fault's name with one line about it, for help texts. */
export const FAULT_NAMES: readonly { name: FaultName; about: string }[] = Object.entries(FAULTS).map(
  ([name, { about }]) => ({ name: name as FaultName, about }),
);

export function isFaultName(name: string): name is FaultName {
  return Object.hasOwn(FAULTS, name);
}

function silence(ending: Ending): WireScript {
  return {
    head: null,
    isHeadFirst: false,
    pieces: [],
    encoding: 'utf8',
    firstMs: 0,
    stepMs: 0,
    ending,
  };
}

function refusal(status: number, error: object, headers: Record<string, string> = {}): WireScript {
  const script = documentScript(JSON.stringify({ error: { param: null, code: null, ...error } }));
  return { ...script, head: { status, headers: { ...script.head?.headers, ...headers } } };
}

function page(): WireScript {
  const text = '<!doctype html><html><body><h1>Welcome to nginx!</h1></body></html>';
  return { ...documentScript(text), head: { status: 200, headers: { 'content-type': 'text/html' } } };
}

function right({ answer, pace }: FaultyCall): WireScript {
  return rightScript(answer, pace);
}

/** A document, when the whole answer would have been there. */
function later({ answer, pace }: FaultyCall, text: string): WireScript {
  return documentScript(text, totalMs(answer, pace));
}

/** A stream of what `change` makes of the right events; undefined when no stream was asked for. */
function inStream(call: FaultyCall, change: (parts: EventParts) => Iterable<string>): WireScript | undefined {
  if (call.answer.stream === undefined) return undefined;
  return streamScript(change(call.answer.stream()), call.pace);
}

/** The first half of the tokens, or of the document, and then `ending`. */
function half(call: FaultyCall, ending: Ending): WireScript {
  const script =
    inStream(call, ({ opening, tokens }) => [
      opening + (tokens[0] ?? ''),
      ...tokens.slice(1, Math.ceil(tokens.length / 2)),
    ]) ?? halfDocument(call, ending);
  return { ...script, ending };
}

function halfDocument(call: FaultyCall, ending: Ending): WireScript {
  const text = call.answer.document();
  const whole = later(call, text);
  // A clean end in the middle is only possible where the length was not announced.
  const head =
    ending === 'end' ? { status: 200, headers: { 'content-type': 'application/json' } } : whole.head;
  return { ...whole, head, pieces: [text.slice(0, text.length / 2)] };
}

function withBrokenMiddle(tokens: string[]): string[] {
  const middle = Math.floor(tokens.length / 2);
  return [...tokens.slice(0, middle), BROKEN_EVENT, ...tokens.slice(middle)];
}

function trickle(call: FaultyCall): WireScript {
  const whole = right(call);
  const stepMs = call.pace.tokenMs || TRICKLE_MS;
  const headers = { 'content-type': whole.head?.headers['content-type'] };
  const pieces = endlessly([...whole.pieces].join(''));
  return { ...whole, head: { status: 200, headers }, isHeadFirst: true, pieces, encoding: 'latin1', stepMs };
}

function* endlessly(text: string): Generator<string> {
  const bytes = Buffer.from(text).toString('latin1');
  for (;;) yield* bytes;
}

function oversized(call: FaultyCall): WireScript {
  const filler = 'a'.repeat(OVERSIZED_PIECE_BYTES);
  return (
    inStream(call, ({ opening, eventOf }) => upTo(OVERSIZED_BYTES, opening, eventOf(filler))) ?? {
      ...documentScript(''),
      head: { status: 200, headers: { 'content-type': 'application/json' } },
      pieces: upTo(OVERSIZED_BYTES, '{"object":"list","padding":"', filler),
    }
  );
}

function* upTo(bytesMax: number, opening: string, piece: string): Generator<string> {
  yield opening;
  for (let sent = 0; sent < bytesMax; sent += piece.length) yield piece;
}

function crlf(call: FaultyCall): WireScript {
  const script = inStream(call, (parts) => {
    const text = eventPieces(parts).join('').replaceAll('\n\n', '\n: ping ✓\n\n').replaceAll('\n', '\r\n');
    // Cut behind each byte that begins a UTF-8 sequence and between the last CR and LF of each event.
    return Buffer.from(text)
      .toString('latin1')
      .split(/(?<=[\xC0-\xFF])|(?<=\r)(?=\n[^:])/);
  });
  if (script === undefined) return right(call);
  return { ...script, encoding: 'latin1', stepMs: Math.max(SPLIT_MS, call.pace.tokenMs) };
}
