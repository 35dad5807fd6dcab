import type { ServerProtocol } from '../core/schemas/server-protocol.ts';
import type { StreamEvent } from '../core/stream-event.ts';
import type { TraceContext } from '../core/trace-context.ts';
import type { ServerReport } from './model-server.ts';

/** Where a model server is and how it is spoken to. */
export interface ServerAddress {
  id: string;
  /** Scheme, host and port, without a path: `http://127.0.0.1:11434`. */
  origin: string;
  /** Where the OpenAI routes begin, such as `/v1`. */
  basePath: string;
  protocol: ServerProtocol;
  /** The server's own key; goes to this origin only. */
  apiKey?: string;
}

/** How long each part of a call may take, in ms, and how large an answer may be. */
export interface CallLimits {
  connectMs: number;
  /** From the request being sent to the first event (a stream) or the answer's first byte (else). */
  firstTokenMs: number;
  /** Between two events of a stream, or two pieces of a body. */
  idleMs: number;
  answerBytesMax: number;
}

export interface ModelCall {
  server: ServerAddress;
  /** Below the base path: `/chat/completions`. */
  path: string;
  /** The request as JSON text, sent as it is. */
  body: string;
  /** The same for each try of the same work, so that a server that heeds it does it once. */
  idempotencyKey?: string | undefined;
  /** Which part of which trace the call is. */
  trace?: TraceContext | undefined;
  limits: CallLimits;
}

/**
 * A server's answer with status 200: a stream of events as they arrive, each list holding those of one network read
 * (never empty, `[DONE]` not included; may be iterated once); or one JSON document, which is an object.
 */
export type ModelAnswer =
  | { kind: 'stream'; events: AsyncIterable<StreamEvent[]> }
  | { kind: 'json'; text: string };

export interface ModelClient {
  /** Sends `call`; of a stream, waits for its first event. Throws BackendFailure; after the first event the iterator
   *  throws it. Aborting `signal` destroys the socket at once and makes the call, or the iterator, throw
   *  `signal.reason`. A stream must be iterated, or its signal aborted: nothing else gives its socket back. */
  call(call: ModelCall, signal: AbortSignal): Promise<ModelAnswer>;
  /** Asks `server` what models it has and which are loaded. Never a generating call. Throws BackendFailure, or
   *  the signal's reason. */
  report(server: ServerAddress, timeoutMs: number, signal?: AbortSignal): Promise<ServerReport>;
}
