import type { TraceContext } from './trace-context.ts';

type SpanAttributes = Record<string, string | number | boolean | undefined>;

interface SpanStart {
  kind: 'server' | 'client' | 'producer' | 'consumer' | 'internal';
  /** What it is a part of; without one it begins a trace. */
  parent: TraceContext | undefined;
  attributes?: SpanAttributes;
}

interface SpanEnd {
  /** Instead of the name that it began with. */
  name?: string;
  attributes?: SpanAttributes;
  /** What went wrong, in one word. */
  error?: string | undefined;
  /** A trace of its own that has begun here. */
  link?: TraceContext | undefined;
}

/** A part of a trace. Its name and attributes hold no prompt, no answer and no key. */
export interface Span {
  /** For its own parts; undefined where there is no trace. */
  readonly context: TraceContext | undefined;
  event(name: string): void;
  /** To be called once. */
  end(end?: SpanEnd): void;
}

export interface Tracing {
  /** Whether anybody wants traces: else a span need not be made. */
  readonly isOn: boolean;
  start(name: string, start: SpanStart): Span;
  /** The root of the trace of something that has an id and outlives processes: the same in each of them. */
  rootOf(id: string): TraceContext | undefined;
  /** Records that root, now that it is over. */
  recordRoot(id: string, root: { name: string; startedAt: Date } & SpanEnd): void;
}

/** Off: the caller's context is passed on as it is. */
export const NO_TRACING: Tracing = {
  isOn: false,
  start: (_, { parent }) => ({ context: parent, event() {}, end() {} }),
  rootOf: () => undefined,
  recordRoot() {},
};
