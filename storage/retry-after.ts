import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { z } from 'zod';

export interface HeardResponse {
  /** What the response said, whole; null where it said nothing, or has not come. */
  retryAfter(): string | null;
  stop(): void;
}

const CHANNEL = 'undici:request:headers';

const Message = z.object({
  request: z.object({ headers: z.array(z.unknown()) }),
  response: z.object({ headers: z.array(z.instanceof(Uint8Array)) }),
});

/**
 * Listens for the Retry-After of the one response to a request that carries `requestId` in a header, on undici's diagnostics
 * channel: for clients that keep the response to themselves.
 */
export function hearRetryAfter(requestId: string): HeardResponse {
  let heard: string | null = null;
  const listen = (message: unknown) => {
    const { data } = Message.safeParse(message);
    if (!data?.request.headers.includes(requestId)) return;
    heard = headerOf(data.response.headers, 'retry-after');
  };
  subscribe(CHANNEL, listen);
  return {
    retryAfter: () => heard,
    stop() {
      unsubscribe(CHANNEL, listen);
    },
  };
}

/** Seconds or a date, in ms from now; null for what is neither. */
export function retryAfterMs(text: string | null): number | null {
  if (text === null) return null;
  if (/^\d+$/.test(text)) return Number(text) * 1_000;
  const atMs = Date.parse(text);
  return Number.isNaN(atMs) ? null : Math.max(0, atMs - Date.now());
}

// Names and values in turn, as bytes.
function headerOf(headers: readonly Uint8Array[], name: string): string | null {
  const texts = headers.map((bytes) => Buffer.from(bytes).toString('latin1'));
  const at = texts.findIndex((text, index) => index % 2 === 0 && text.toLowerCase() === name);
  return at < 0 ? null : (texts[at + 1] ?? null);
}
