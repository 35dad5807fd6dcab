import { BackendFailure } from '../core/backend-failure.ts';
import type { StreamEvent } from '../core/stream-event.ts';
import type { AnswerLine, AnswerReader } from './answer-reader.ts';
import { createEventParser } from './event-parser.ts';
import { createEventQueue } from './event-queue.ts';
import { readNamedStatus, readReportedError } from './reported-error.ts';
import { createSseParser } from './sse-parser.ts';

/** Reads an event stream of OpenAI's chat or completion chunks. */
export function createStreamReader(line: AnswerLine): AnswerReader {
  const queue = createEventQueue(line);
  const choices = createChoiceTally();
  const events = createEventParser();
  let count = 0;
  let done = false;
  let bodyOver = false;

  const parser = createSseParser((text) => {
    if (done) return;
    if (text === '[DONE]') {
      done = true;
      return;
    }
    const event = requireEvent(events.parse(text), bodyOver);
    // With another token in it, it says the same of its choice.
    if (!event.token) choices.note(event.value);
    queue.push(event);
    count += 1;
    if (count === 1) line.answer({ kind: 'stream', events: queue.events });
  });

  return {
    push(chunk) {
      const before = count;
      parser.push(chunk);
      if (done) {
        requireEvents(count);
        queue.end();
        line.finish();
        return;
      }
      // Bytes alone are no progress: a server that trickles them would hold its caller for ever.
      if (count > before) line.progress();
    },
    end() {
      bodyOver = true;
      parser.end();
      requireEvents(count);
      if (!done && !choices.areFinished()) throw cut();
      queue.end();
    },
    fail: queue.fail,
    abort: queue.abort,
  };
}

function requireEvent(event: StreamEvent | undefined, bodyOver: boolean): StreamEvent {
  if (event === undefined)
    throw bodyOver ? cut() : malformed('The model server sent an event that is not JSON.');
  const { value, token } = event;
  if (!token && isError(value)) {
    throw new BackendFailure('malformed', 'The model server reported an error in its answer.', {
      status: readNamedStatus(value),
      reported: readReportedError(value),
    });
  }
  return event;
}

function isError(value: object): boolean {
  if ('error' in value && value.error !== null) return true;
  return 'object' in value && value.object === 'error';
}

function requireEvents(count: number): void {
  if (count === 0) throw malformed('The model server sent an empty answer.');
}

const malformed = (message: string) => new BackendFailure('malformed', message);
const cut = () => new BackendFailure('cut', 'The model server broke off its answer.');

/** Tells a stream that ended without `[DONE]` from one that was cut: whether each choice got its finish reason. */
function createChoiceTally() {
  const open = new Set<unknown>();
  const finished = new Set<unknown>();

  function noteChoice(choice: unknown): void {
    if (typeof choice !== 'object' || choice === null) return;
    const index = 'index' in choice ? choice.index : 0;
    if ('finish_reason' in choice && choice.finish_reason !== null) {
      finished.add(index);
      open.delete(index);
      return;
    }
    if (!finished.has(index)) open.add(index);
  }

  return {
    note(value: object): void {
      if ('choices' in value && Array.isArray(value.choices)) value.choices.forEach(noteChoice);
    },
    areFinished: () => finished.size > 0 && open.size === 0,
  };
}
