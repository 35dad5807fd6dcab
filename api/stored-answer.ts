import { z } from 'zod';

// A stored answer as the stream that its caller asked for, from wherever the stream broke off.

const Piece = z.looseObject({
  index: z.number().catch(0),
  text: z.string().nullish(),
  delta: z
    .looseObject({ content: z.string().nullish(), tool_calls: z.array(z.unknown()).nullish() })
    .nullish(),
  finish_reason: z.string().nullish(),
});
const Chunk = z.looseObject({ choices: z.array(Piece).catch([]) });

const Choice = z.looseObject({
  index: z.number().catch(0),
  text: z.string().nullish(),
  message: z.looseObject({ content: z.string().nullish() }).nullish(),
  finish_reason: z.string().nullish(),
});
const Answer = z.looseObject({
  choices: z.array(Choice),
  usage: z.unknown().optional(),
  /** Of a query to documents. */
  citations: z.array(z.unknown()).optional(),
});
type Choice = z.infer<typeof Choice>;

/** What a stream has sent of each choice. */
export interface SentParts {
  /** Notes a chunk, as its JSON text. */
  add(chunk: string): void;
  /** The chunks that are missing of the answer; null where what was sent is not how it begins. */
  restOf(answer: unknown): string[] | null;
}

interface SentChoice {
  text: string;
  isFinished: boolean;
  /** Beside text: what cannot be continued in its middle. */
  hasMore: boolean;
}

export function createSentParts(): SentParts {
  const sent = new Map<number, SentChoice>();

  return {
    add(chunk) {
      for (const piece of Chunk.parse(JSON.parse(chunk)).choices) {
        const choice = sent.get(piece.index) ?? { text: '', isFinished: false, hasMore: false };
        sent.set(piece.index, choice);
        choice.text += piece.delta?.content ?? piece.text ?? '';
        choice.isFinished ||= typeof piece.finish_reason === 'string';
        choice.hasMore ||= (piece.delta?.tool_calls?.length ?? 0) > 0;
      }
    },

    restOf(answer) {
      const parsed = Answer.safeParse(answer);
      if (!parsed.success) return null;
      const { choices, usage: _, citations: __, ...head } = parsed.data;
      const pieces: object[] = [];
      for (const choice of choices) {
        const rest = restOfChoice(choice, sent.get(choice.index));
        if (rest === null) return null;
        pieces.push(...rest);
      }
      const object =
        'object' in head && head.object === 'chat.completion' ? 'chat.completion.chunk' : head.object;
      return pieces.map((piece) => JSON.stringify({ ...head, object, choices: [piece] }));
    },
  };
}

/** The chunk with the usage, as a stream's last one; null where the answer tells none. */
export function usageChunkOf(answer: unknown): string | null {
  const parsed = Answer.safeParse(answer);
  if (!parsed.success || !parsed.data.usage) return null;
  return lastChunk(parsed.data, { usage: parsed.data.usage });
}

/** The chunk with what a query's answer cites; null for an answer of another kind. */
export function citationsChunkOf(answer: unknown): string | null {
  const parsed = Answer.safeParse(answer);
  if (!parsed.success || !parsed.data.citations) return null;
  return lastChunk(parsed.data, { citations: parsed.data.citations });
}

function lastChunk(answer: z.infer<typeof Answer>, fields: object): string {
  const { choices: _, usage: __, citations: ___, ...head } = answer;
  const object = head.object === 'chat.completion' ? 'chat.completion.chunk' : head.object;
  return JSON.stringify({ ...head, object, choices: [], ...fields });
}

function restOfChoice(choice: Choice, sent: SentChoice | undefined): object[] | null {
  if (sent?.isFinished) return textOf(choice) === sent.text ? [] : null;
  const text = textOf(choice);
  const before = sent?.text ?? '';
  if (sent?.hasMore || !text.startsWith(before)) return null;
  const { index, message, text: _, finish_reason: reason = null, ...others } = choice;
  const left = text.slice(before.length);
  if (!message) {
    return [{ ...(sent ? {} : others), index, text: left, finish_reason: reason }];
  }
  const { content: __, tool_calls: calls, ...parts } = message;
  const delta = {
    ...(sent ? {} : parts),
    ...(left === '' && message.content !== '' ? {} : { content: left }),
    ...(Array.isArray(calls) ? { tool_calls: calls.map((call, at) => ({ index: at, ...call })) } : {}),
  };
  return [
    { ...(sent ? {} : others), index, delta, finish_reason: null },
    { index, delta: {}, finish_reason: reason },
  ];
}

const textOf = ({ message, text }: Choice) => message?.content ?? text ?? '';
