import type { IncomingHttpHeaders } from 'node:http';

/** A request as the server saw it. */
export interface SeenRequest {
  method: string;
  path: string;
  /** As sent; the first 64 KiB of it. */
  body: string;
  /** null where the body names none. */
  model: string | null;
  headers: IncomingHttpHeaders;
  /** The client left before it had the whole answer. */
  aborted: boolean;
  /** The whole answer was sent. Both are false while it runs, and when the server broke it off. */
  finished: boolean;
  /** Unix milliseconds. */
  at: number;
}

const SEEN_MAX = 1_000;
const BODY_CHARS_MAX = 64 * 1024;

export interface SeenRequests {
  /** The last 1 000, oldest first. */
  list: readonly SeenRequest[];
  add(request: Pick<SeenRequest, 'method' | 'path' | 'headers' | 'at'>): SeenRequest;
}

export function createSeenRequests(): SeenRequests {
  const list: SeenRequest[] = [];
  return {
    list,
    add(request) {
      const seen = { ...request, body: '', model: null, aborted: false, finished: false };
      list.push(seen);
      if (list.length > SEEN_MAX) list.shift();
      return seen;
    },
  };
}

export function recordBody(seen: SeenRequest, text: string): void {
  seen.body = text.length > BODY_CHARS_MAX ? text.slice(0, BODY_CHARS_MAX) : text;
}
