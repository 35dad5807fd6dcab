import { CitadelError } from './citadel-error.ts';

export interface ClientOptions {
  /** Default `http://127.0.0.1:8002`. */
  baseUrl?: string;
  apiKey?: string;
  /** Sent with every request. */
  headers?: Record<string, string>;
  /** Further tries of a request that may be sent again. Default 3. */
  retriesMax?: number;
  /** Of one try that is not a stream. Default 90 s. */
  timeoutMs?: number;
}

export interface RequestOptions {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  body?: unknown;
  query?: Record<string, string | number | undefined>;
  headers?: Record<string, string>;
  /** With it a POST may be sent again: the server does it once. */
  idempotencyKey?: string;
  signal?: AbortSignal;
}

/** The way to one Citadel. Everything throws CitadelError; an abort throws the signal's reason. */
export interface Connection {
  /** The answer's JSON. */
  request<Answer>(path: string, options?: RequestOptions): Promise<{ status: number; body: Answer }>;
  /** One try; the body of a successful answer, to be read as it comes. */
  stream(
    path: string,
    options?: Pick<RequestOptions, 'headers' | 'signal'>,
  ): Promise<ReadableStream<Uint8Array>>;
}

const RETRY_MS = 250;
const RETRY_MS_MAX = 8_000;
/** The server has done nothing: whatever it was, it may be sent again. */
const NOT_DONE = new Set([429, 503]);
const MAY_PASS = new Set([408, 500, 502, 504]);

export function createConnection({
  baseUrl = 'http://127.0.0.1:8002',
  apiKey,
  headers: ownHeaders = {},
  retriesMax = 3,
  timeoutMs = 90_000,
}: ClientOptions): Connection {
  const origin = baseUrl.replace(/\/+$/, '');

  async function send(path: string, options: RequestOptions): Promise<Response> {
    const { method = 'GET', body, query = {}, headers, idempotencyKey, signal } = options;
    try {
      return await fetch(origin + path + toSearch(query), {
        method,
        headers: {
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
          ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
          ...ownHeaders,
          ...headers,
        },
        body: body === undefined ? undefined : JSON.stringify(body),
        signal,
      });
    } catch (cause) {
      throw connectionFailed(origin, cause);
    }
  }

  async function requestOnce(path: string, options: RequestOptions) {
    const limit = AbortSignal.timeout(timeoutMs);
    const signal = options.signal === undefined ? limit : AbortSignal.any([options.signal, limit]);
    const response = await send(path, { ...options, signal });
    const text = await response.text().catch((cause: unknown) => {
      throw connectionFailed(origin, cause);
    });
    if (!response.ok) throw toError(response, text);
    return { status: response.status, body: parseAnswer(response, text) };
  }

  return {
    async request<Answer>(path: string, options: RequestOptions = {}) {
      for (let retries = 0; ; retries += 1) {
        try {
          const { status, body } = await requestOnce(path, options);
          return { status, body: body as Answer };
        } catch (error) {
          options.signal?.throwIfAborted();
          if (!(error instanceof CitadelError) || retries >= retriesMax || !mayRetry(error, options))
            throw error;
          await pause(error.retryAfterMs ?? backoffMs(retries), options.signal);
        }
      }
    },
    async stream(path, options = {}) {
      const headers = { accept: 'text/event-stream', ...options.headers };
      const response = await send(path, { ...options, headers });
      if (!response.ok) throw toError(response, await response.text().catch(() => ''));
      if (response.body === null) throw connectionFailed(origin, new Error('The answer has no body.'));
      return response.body;
    },
  };
}

/** Whether the same request may bring a better answer, and doing it twice does no harm. */
function mayRetry({ status }: CitadelError, { method = 'GET', idempotencyKey }: RequestOptions): boolean {
  if (status !== null && NOT_DONE.has(status)) return true;
  const isRepeatable = method !== 'POST' || idempotencyKey !== undefined;
  return isRepeatable && (status === null || MAY_PASS.has(status));
}

/** Full jitter, so that many callers do not come back at once. */
export function backoffMs(retries: number): number {
  return Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** retries) * (0.5 + Math.random() / 2);
}

/** Throws the signal's reason as soon as it aborts. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort);
      resolve();
    }, ms);
    signal?.addEventListener('abort', abort, { once: true });
  });
}

export function connectionFailed(origin: string, cause: unknown): CitadelError {
  // fetch says only that it failed; why stands in its own cause.
  const { message, cause: reason } = cause instanceof Error ? cause : new Error(String(cause));
  const why = reason instanceof Error && reason.message !== '' ? reason.message : message;
  return new CitadelError(`Citadel at ${origin} did not answer: ${why}`, {
    code: 'connection_failed',
    cause,
  });
}

function toError(response: Response, text: string): CitadelError {
  const { status, headers } = response;
  const error = readErrorBody(text);
  const retryAfter = Number(headers.get('retry-after') ?? Number.NaN);
  return new CitadelError(error.message ?? `Citadel answered ${status}.`, {
    status,
    code: error.code,
    param: error.param,
    requestId: headers.get('x-request-id'),
    retryAfterMs: Number.isFinite(retryAfter) ? retryAfter * 1_000 : null,
  });
}

function readErrorBody(text: string): {
  message?: string;
  code?: string | null;
  param?: string | null;
} {
  try {
    return JSON.parse(text)?.error ?? {};
  } catch {
    return {};
  }
}

function parseAnswer({ status }: Response, text: string): unknown {
  if (text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new CitadelError('Citadel answered something that is not JSON.', { status, cause });
  }
}

function toSearch(query: Record<string, string | number | undefined>): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined);
  const text = new URLSearchParams(
    given.map(([name, value]) => [name, String(value)] as [string, string]),
  ).toString();
  return text === '' ? '' : `?${text}`;
}
