import { CitadelError } from './citadel-error.ts';
import { backoffMs, type Connection, connectionFailed, pause } from './connection.ts';
import { readEventStream, type StreamEvent } from './event-stream.ts';
import type { Json } from './records.ts';

/** Something that has happened to a run, for good. */
export interface DurableEvent {
  /** Its number in the run, from 1, without gaps. */
  id: number;
  /** `run.started`, `step.succeeded` … */
  type: string;
  data: { [field: string]: Json };
}

/**
 * A further piece of what a step's model says. Another attempt, or another part of one (an answer that does not fit is
 * asked for again), begins at offset 0.
 */
export interface DeltaEvent {
  id: null;
  type: 'delta';
  data: { step: string; attempt: number; part: number; offset: number; text: string };
}

export type RunEvent = DurableEvent | DeltaEvent;

interface EventOptions {
  /** Only those after this number. */
  after?: number;
  signal?: AbortSignal;
}

/** Tries in a row that bring no event, before it gives up: about three minutes. */
const TRIES_MAX = 30;
const ENDED = /^(run|job)\.(succeeded|failed|cancelled)$/;

/**
 * The events of a run or job, in order, each once, to the last; where the connection breaks it goes on after the last
 * one that came. Text that came already is not given again.
 */
export async function* readRunEvents(
  connection: Connection,
  path: string,
  { after = 0, signal }: EventOptions = {},
): AsyncGenerator<RunEvent> {
  const texts = createTextMarks();
  let lastId = after;
  let hasEnded = false;
  for (let tries = 0; ; tries += 1) {
    try {
      const headers: Record<string, string> = lastId === 0 ? {} : { 'last-event-id': String(lastId) };
      const body = await connection.stream(path, { headers, signal });
      for await (const sent of readEventStream(body)) {
        tries = 0;
        const event = parseRunEvent(sent);
        if (event.id === null) {
          const fresh = texts.takeNew(event);
          if (fresh !== null) yield fresh;
        } else if (event.id > lastId) {
          lastId = event.id;
          hasEnded = ENDED.test(event.type);
          yield event;
        }
      }
      // Of a run that had ended before `after` the stream is empty.
      if (hasEnded || (tries > 0 && lastId === after && after > 0)) return;
    } catch (error) {
      signal?.throwIfAborted();
      if (!mayReturn(error) || tries >= TRIES_MAX) throw error;
    }
    if (tries >= TRIES_MAX) throw connectionFailed(path, new Error('The stream ends before the run does.'));
    await pause(backoffMs(tries), signal);
  }
}

function mayReturn(error: unknown): boolean {
  if (!(error instanceof CitadelError)) return true;
  const { status } = error;
  return status === null || status === 408 || status === 429 || status >= 500;
}

function parseRunEvent({ id, type, data }: StreamEvent): RunEvent {
  const fields = JSON.parse(data);
  if (id !== null) return { id: Number(id), type, data: fields };
  const { step, attempt, part = 0, offset, text } = fields;
  return { id: null, type: 'delta', data: { step, attempt, part, offset, text } };
}

/** Remembers how much of each step's text has been given. */
function createTextMarks() {
  const marks = new Map<string, { attempt: number; part: number; end: number }>();
  return {
    /** The part of `event` that is new; null when none is. */
    takeNew(event: DeltaEvent): DeltaEvent | null {
      const { step, attempt, part, offset, text } = event.data;
      const mark = marks.get(step) ?? { attempt: 0, part: 0, end: 0 };
      const later = attempt - mark.attempt || part - mark.part;
      if (later < 0) return null;
      const end = later === 0 ? mark.end : 0;
      if (offset + text.length <= end) return null;
      marks.set(step, { attempt, part, end: offset + text.length });
      if (offset >= end) return event;
      return { ...event, data: { ...event.data, offset: end, text: text.slice(end - offset) } };
    },
  };
}
