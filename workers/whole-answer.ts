import { BackendFailure } from '../core/backend-failure.ts';
import type { StreamEvent } from '../core/stream-event.ts';

type Json = Record<string, unknown>;

/** Puts the pieces of a streamed choice together again. */
interface OpenChoice {
  /** The parts of the choice that are not its message: finish_reason, logprobs, vendors' own. */
  rest: Json;
  message: Json;
}

/** A stream's chunks as the one document that the same request without `stream` is answered with. */
export interface WholeAnswer {
  add(event: Pick<StreamEvent, 'value' | 'token'>): void;
  /** The document. Throws BackendFailure `malformed` when no choice ever came. */
  finish(): Json;
}

/** For `chat.completion` documents, from `chat.completion.chunk` events. */
export function createWholeChat(): WholeAnswer {
  return createWhole('chat.completion', 'message', (choice, piece) => {
    mergeInto(choice.message, asJson(piece.delta));
    mergeChoice(choice.rest, piece);
  });
}

/** For `text_completion` documents. */
export function createWholeCompletion(): WholeAnswer {
  return createWhole('text_completion', 'rest', (choice, piece) => {
    if (typeof piece.text === 'string') choice.rest.text = `${choice.rest.text ?? ''}${piece.text}`;
    mergeChoice(choice.rest, piece);
  });
}

function createWhole(
  object: string,
  tokensIn: keyof OpenChoice,
  addPiece: (choice: OpenChoice, piece: Json) => void,
): WholeAnswer {
  const choices = new Map<number, OpenChoice>();
  const top: Json = {};

  return {
    add({ value, token }) {
      const { choices: pieces } = value as Json;
      // All else of the event was added with the one that it is like.
      if (token && Array.isArray(pieces)) {
        const target = choices.get(indexOf(asJson(pieces[0])))?.[tokensIn] ?? {};
        target[token.field] = `${target[token.field] ?? ''}${token.text}`;
        return;
      }
      keepValues(top, value as Json, TOP_MERGED);
      if (!Array.isArray(pieces)) return;
      for (const item of pieces) {
        const piece = asJson(item);
        const index = indexOf(piece);
        let choice = choices.get(index);
        if (!choice) {
          choice = { rest: { index }, message: {} };
          choices.set(index, choice);
        }
        addPiece(choice, piece);
      }
    },

    finish() {
      if (choices.size === 0)
        throw new BackendFailure('malformed', 'The model server answered without a choice.');
      const whole = [...choices].sort(([a], [b]) => a - b).map(([, choice]) => closeChoice(object, choice));
      // In the order in which OpenAI writes them, for those who read answers with their eyes.
      const { id, object: _, created, model, usage, ...rest } = top;
      return { id, object, created, model, choices: whole, usage, ...rest };
    },
  };
}

const indexOf = ({ index }: Json): number => (typeof index === 'number' ? index : 0);

function closeChoice(object: string, { rest, message }: OpenChoice): Json {
  const { index, text, logprobs = null, finish_reason = null, ...others } = rest;
  const end = { logprobs, finish_reason, ...others };
  if (object === 'text_completion') return { index, text: text ?? '', ...end };
  const tools = message.tool_calls;
  const calls = Array.isArray(tools) ? { tool_calls: tools.filter(Boolean).map(withoutIndex) } : {};
  const whole = { role: 'assistant', content: null, refusal: null, ...message, ...calls };
  return { index, message: whole, ...end };
}

function withoutIndex(call: Json): Json {
  const { index: _, ...rest } = call;
  return rest;
}

/** A choice's own fields: the last value that is not null counts, but logprobs are lists that grow. */
function mergeChoice(target: Json, piece: Json): void {
  keepValues(target, piece, CHOICE_MERGED);
  const { logprobs } = piece;
  if (logprobs === null || logprobs === undefined) return;
  const known = asJson(target.logprobs);
  for (const [name, value] of Object.entries(asJson(logprobs))) {
    const list = known[name];
    if (!Array.isArray(value)) known[name] = value ?? list ?? null;
    else if (Array.isArray(list)) for (const item of value) list.push(item);
    else known[name] = [...value];
  }
  target.logprobs = known;
}

/** Fields of a message that come whole with each piece, or once. */
const WHOLE_FIELDS = new Set(['role', 'id', 'type', 'name', 'index']);

/** Texts grow, lists merge by their items' index, objects merge; a tool call's name, id and type come once. */
function mergeInto(target: Json, delta: Json): void {
  for (const name in delta) {
    const value = delta[name];
    // A server's `__proto__` would be merged into the prototype of all objects.
    if (value === null || value === undefined || name === '__proto__') continue;
    const known = target[name];
    if (typeof value === 'string' && typeof known === 'string' && !WHOLE_FIELDS.has(name)) {
      target[name] = known + value;
    } else if (Array.isArray(value)) {
      target[name] = mergeList(Array.isArray(known) ? known : [], value);
    } else if (typeof value === 'object') {
      const merged = asJson(known);
      mergeInto(merged, asJson(value));
      target[name] = merged;
    } else {
      target[name] = value === '' && known !== undefined ? known : value;
    }
  }
}

const LIST_ITEMS_MAX = 10_000;

/** Adds `pieces` to `merged` in place: a copy for each piece would cost the square of an answer's length. */
function mergeList(merged: unknown[], pieces: unknown[]): unknown[] {
  for (const piece of pieces) {
    const index = asJson(piece).index;
    if (!isListIndex(index)) {
      merged.push(piece);
      continue;
    }
    const item = asJson(merged[index]);
    mergeInto(item, asJson(piece));
    merged[index] = item;
  }
  return merged;
}

function isListIndex(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < LIST_ITEMS_MAX;
}

const TOP_MERGED = new Set(['choices', '__proto__']);
const CHOICE_MERGED = new Set(['delta', 'text', 'logprobs', 'index', '__proto__']);

// Runs for each token: no copies, no entries.
function keepValues(target: Json, values: Json, merged: ReadonlySet<string>): void {
  for (const name in values) {
    const value = values[name];
    if (value === null || value === undefined || merged.has(name)) continue;
    target[name] = value;
  }
}

function asJson(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {};
}
