// Of a 429 Qdrant's client gives on one digit of Retry-After, takes a date for an error, and keeps the response: we listen for
// the header ourselves (retry-after.ts). It never tries again, and writes to the console unless it is told otherwise.
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { QdrantClient } from '@qdrant/js-client-rest';
import { AppError } from '../core/errors.ts';
import { hearRetryAfter, retryAfterMs } from './retry-after.ts';

export interface QdrantCalls {
  /** One call of the client's; null for what is not there (404). Throws AppError `store_unavailable` after some tries, and
   *  Error for what Qdrant refuses. */
  call<T>(ask: (client: QdrantClient) => Promise<T>): Promise<T | null>;
}

export interface QdrantOptions {
  url: string;
  apiKey?: string | undefined;
  /** Waits between two tries (ms); told for tests. */
  wait?: (ms: number) => Promise<unknown>;
}

const CALL_LIMIT_MS = 10_000;
const TRIES_MAX = 4;
const WAIT_MS = 200;
/** A caller is waiting: longer than this we do not, whatever Retry-After says. */
const WAIT_MS_MAX = 5_000;
const REASON_CHARS_MAX = 500;

export function createQdrantCalls({ url, apiKey, wait = pause }: QdrantOptions): QdrantCalls {
  let opened: Promise<Opened> | undefined;

  return {
    async call<T>(ask: (client: QdrantClient) => Promise<T>) {
      opened ??= openClient(url, apiKey);
      const client = await opened;
      for (let tries = 1; ; tries += 1) {
        const outcome = await attempt(client, ask);
        if (outcome.status === 'answered') return outcome.result;
        if (outcome.status === 'refused') throw new Error(`Qdrant refused a call: ${outcome.reason}`);
        if (tries >= TRIES_MAX) throw unavailable(outcome.cause);
        await wait(Math.min(outcome.retryAfterMs ?? WAIT_MS * 2 ** tries, WAIT_MS_MAX));
      }
    },
  };
}

interface Opened {
  client: QdrantClient;
  withHeaders: typeof import('@qdrant/js-client-rest').withHeaders;
}

/** Loaded with the first call: without Qdrant nobody pays for it (13 MB). */
async function openClient(url: string, apiKey: string | undefined): Promise<Opened> {
  const { QdrantClient, withHeaders } = await import('@qdrant/js-client-rest');
  const { origin, pathname } = new URL(url);
  const client = new QdrantClient({
    url: origin,
    prefix: pathname.replace(/\/+$/, ''),
    // Else 6333 where the URL names none, for https too.
    port: null,
    // As `apiKey` it is warned of on the console wherever there is no TLS.
    headers: apiKey === undefined ? {} : { 'api-key': apiKey },
    timeout: CALL_LIMIT_MS,
    checkCompatibility: false,
  });
  return { client, withHeaders };
}

type Outcome<T> =
  | { status: 'answered'; result: T | null }
  | { status: 'refused'; reason: string }
  | { status: 'away'; retryAfterMs: number | null; cause: unknown };

async function attempt<T>(
  { client, withHeaders }: Opened,
  ask: (client: QdrantClient) => Promise<T>,
): Promise<Outcome<T>> {
  const requestId = randomUUID();
  const heard = hearRetryAfter(requestId);
  try {
    // The client reads these headers before it first waits, hence one request in each `ask`.
    const result = await withHeaders({ 'x-request-id': requestId }, () => ask(client));
    return { status: 'answered', result };
  } catch (error) {
    if (!isRefusal(error)) return away(error, heard.retryAfter());
    if (error.status === 404) return { status: 'answered', result: null };
    const reason = `${error.status} ${JSON.stringify(error.data ?? null).slice(0, REASON_CHARS_MAX)}`;
    return { status: 'refused', reason };
  } finally {
    heard.stop();
  }
}

const away = (cause: unknown, retryAfter: string | null) => ({
  status: 'away' as const,
  retryAfterMs: retryAfterMs(retryAfter),
  cause,
});

/** The client's error for a status; it hands out no class for it. */
function isRefusal(error: unknown): error is Error & { status: number; data: unknown } {
  if (!(error instanceof Error && 'status' in error && typeof error.status === 'number')) return false;
  return error.status >= 400 && error.status < 500 && error.status !== 429;
}

function unavailable(cause: unknown): AppError {
  return new AppError('store_unavailable', 'The search index (Qdrant) is out of reach. Try again shortly.', {
    cause,
    retryAfterSeconds: 2,
  });
}
