import { BackendFailure } from '../core/backend-failure.ts';
import { type StreamEvent, toValue } from '../core/stream-event.ts';
import { type HeadFallback, headOf } from './answer-head.ts';

interface Chunk {
  id?: unknown;
  object?: unknown;
  created?: unknown;
  model?: unknown;
  usage?: unknown;
  choices?: { index?: number; delta?: { role?: unknown } }[];
}

interface StreamShapeOptions {
  object: 'chat.completion.chunk' | 'text_completion';
  /** For a first chunk that does not name its answer. */
  fallback: HeadFallback;
  /** Whether the caller asked for the last chunk, which has the usage and no choice. */
  includeUsage: boolean;
}

/** Makes of a server's events the chunks that OpenAI's clients rely on; an event that is right passes as it came. */
export interface StreamShape {
  /** The chunks to send on for these events, as JSON texts; may be none. */
  shape(events: readonly StreamEvent[]): string[];
  /** Throws BackendFailure `malformed` when the stream held no choice. */
  finish(): void;
  /** The usage that the server reported last; null when it did not. */
  usage(): unknown;
  /** As the stream names it. */
  model(): string;
}

export function createStreamShape(options: StreamShapeOptions): StreamShape {
  const { object, includeUsage, fallback } = options;
  const withRole = new Set<number>();
  let head: ReturnType<typeof headOf> | undefined;
  let lastUsage: unknown = null;
  let choicesSeen = false;
  /** An event that passed as it came: so does each that only has another token. */
  let passed: object | undefined;

  return {
    shape(events) {
      const texts: string[] = [];
      for (const event of events) {
        const text = shapeOne(event);
        if (text !== null) texts.push(text);
      }
      return texts;
    },
    finish() {
      if (!choicesSeen) throw new BackendFailure('malformed', 'The model server streamed no choice.');
    },
    usage: () => lastUsage,
    model: () => head?.model ?? fallback.model,
  };

  function shapeOne(event: StreamEvent): string | null {
    if (event.token && event.value === passed) return event.text;
    const chunk: Chunk = toValue(event);
    if (chunk.usage) lastUsage = chunk.usage;
    const choices = Array.isArray(chunk.choices) ? chunk.choices : [];
    if (choices.length === 0 && !(includeUsage && chunk.usage)) return null;
    if (!choices.every(isObject)) {
      throw new BackendFailure('malformed', 'The model server streamed a choice that is none.');
    }
    if (choices.length > 0) choicesSeen = true;

    head ??= headOf(chunk, fallback);
    const headIsRight =
      chunk.id === head.id &&
      chunk.created === head.created &&
      chunk.model === head.model &&
      chunk.object === object &&
      Array.isArray(chunk.choices);
    const roleless = new Set(object === 'chat.completion.chunk' ? choices.filter(lacksRole) : []);
    if (headIsRight && roleless.size === 0) {
      passed = event.value;
      return event.text;
    }
    const whole = choices.map((choice) =>
      roleless.has(choice) ? { ...choice, delta: { ...choice.delta, role: 'assistant' } } : choice,
    );
    return JSON.stringify({ ...chunk, ...head, object, choices: whole });
  }

  /** Whether this is the first delta of its choice and has no role. */
  function lacksRole(choice: { index?: number; delta?: { role?: unknown } }): boolean {
    const index = choice.index ?? 0;
    if (withRole.has(index)) return false;
    withRole.add(index);
    const role = choice.delta?.role;
    return typeof role !== 'string' || role === '';
  }
}

const isObject = (value: unknown) => typeof value === 'object' && value !== null;

/** A whole answer, from a server that does not stream, as the events of a stream. */
export function toStreamEvents(answer: object, object: StreamShapeOptions['object']): StreamEvent[] {
  const { choices, usage, ...rest } = answer as Record<string, unknown>;
  const pieces = (Array.isArray(choices) ? choices : []).map((choice: Record<string, unknown>) => {
    if (object === 'text_completion' || !isObject(choice)) return choice;
    const { message, ...others } = choice;
    return { ...others, delta: withToolIndexes(message) };
  });
  const chunks: object[] = [{ ...rest, object, choices: pieces }];
  if (usage) chunks.push({ ...rest, object, choices: [], usage });
  return chunks.map((value) => ({ text: JSON.stringify(value), value }));
}

function withToolIndexes(message: unknown): object {
  const { tool_calls: calls, ...delta } = (message ?? {}) as Record<string, unknown>;
  if (!Array.isArray(calls)) return delta;
  return { ...delta, tool_calls: calls.map((call: object, index) => ({ index, ...call })) };
}
