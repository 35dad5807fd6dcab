import { setTimeout as pause } from 'node:timers/promises';
import { AppError } from '../core/errors.ts';
import type { ApiClient, ApiEvent } from './api-client.ts';

const ENDS = /^(run|job)\.(succeeded|failed|cancelled)$/;
/** Tries in a row that bring nothing new. */
const TRIES_MAX = 30;
const BACKOFF_MS = 500;

/** The events of a run or a job from its first to its last, each once; where the connection breaks it goes on. */
export async function* followEvents(api: ApiClient, path: string): AsyncGenerator<ApiEvent> {
  let lastId = 0;
  let isOver = false;
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    try {
      for await (const event of api.events(path, lastId)) {
        tries = 0;
        if (event.id !== null) {
          lastId = event.id;
          isOver = ENDS.test(event.type);
        }
        yield event;
      }
      // A process that is about to end closes its streams too.
      if (isOver) return;
    } catch (error) {
      if (error instanceof AppError && error.status < 500) throw error;
      if (tries === TRIES_MAX - 1) throw error;
    }
    await pause(BACKOFF_MS);
  }
}

/** Keeps those parts of a step's text that have not been seen. */
export function createTextMarks() {
  const marks = new Map<string, { source: string; end: number }>();
  return {
    /** What of it is new, and whether it begins anew. */
    fresh({ data }: ApiEvent): { text: string; isNew: boolean } {
      const { step, attempt, part, offset, text } = data as {
        step: string;
        attempt: number;
        part: number;
        offset: number;
        text: string;
      };
      const source = `${attempt}/${part}`;
      const mark = marks.get(step);
      const end = mark?.source === source ? mark.end : 0;
      marks.set(step, { source, end: Math.max(end, offset + text.length) });
      return { text: text.slice(Math.max(0, end - offset)), isNew: mark?.source !== source };
    },
  };
}
