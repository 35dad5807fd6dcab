import { EventSourceParserStream } from 'eventsource-parser/stream';
import { AppError, ERRORS, type ErrorCode } from '../core/errors.ts';

/** A Citadel's HTTP API, for commands. Throws AppError with what it answers. */
export interface ApiClient {
  get<T>(path: string, query?: Record<string, string | undefined>): Promise<T>;
  post<T>(path: string, body?: object): Promise<T>;
  /** Sends a form, whose files are read as they are sent. */
  upload<T>(path: string, form: FormData): Promise<T>;
  /** The events of a stream after the one of this id, until it ends. */
  events(path: string, lastEventId: number): AsyncIterable<ApiEvent>;
}

export interface ApiEvent {
  /** Null for what is not durable. */
  id: number | null;
  type: string;
  data: Record<string, unknown>;
}

const ANSWER_LIMIT_MS = 30_000;
const UPLOAD_LIMIT_MS = 600_000;

export function createApiClient(url: string, key: string | undefined): ApiClient {
  const authorization = key === undefined ? {} : { authorization: `Bearer ${key}` };

  return {
    get: (path, query = {}) => call('GET', `${path}${toQuery(query)}`),
    post: (path, body) => call('POST', path, body),
    async upload<T>(path: string, body: FormData) {
      const signal = AbortSignal.timeout(UPLOAD_LIMIT_MS);
      return await answerOf<T>(
        await reach(`${url}${path}`, { method: 'POST', headers: authorization, body, signal }),
      );
    },
    async *events(path, lastEventId) {
      const headers = {
        ...authorization,
        ...(lastEventId > 0 ? { 'last-event-id': String(lastEventId) } : {}),
      };
      const response = await reach(`${url}${path}`, { headers });
      if (!response.ok || !response.body) throw await toError(response);
      const events = response.body
        .pipeThrough(new TextDecoderStream())
        .pipeThrough(new EventSourceParserStream());
      for await (const { id, event = 'message', data } of events) {
        yield { id: id === undefined ? null : Number(id), type: event, data: JSON.parse(data) };
      }
    },
  };

  async function call<T>(method: string, path: string, body?: object): Promise<T> {
    const response = await reach(`${url}${path}`, {
      method,
      headers: { ...authorization, ...(body ? { 'content-type': 'application/json' } : {}) },
      body: body === undefined ? null : JSON.stringify(body),
      signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
    });
    return await answerOf<T>(response);
  }

  async function reach(address: string, init: RequestInit): Promise<Response> {
    try {
      return await fetch(address, init);
    } catch (cause) {
      throw new Error(
        `Citadel at ${url} cannot be reached (${reasonOf(cause)}). Start it, or name another one by CITADEL_URL.`,
        { cause },
      );
    }
  }
}

async function answerOf<T>(response: Response): Promise<T> {
  if (!response.ok) throw await toError(response);
  return (await response.json()) as T;
}

function toQuery(query: Record<string, string | undefined>): string {
  const entries = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return entries.length === 0 ? '' : `?${new URLSearchParams(entries)}`;
}

async function toError(response: Response): Promise<Error> {
  const answer = (await response.json().catch(() => null)) as {
    error?: { code?: string; message?: string; param?: string | null };
  } | null;
  const { code, message, param = null } = answer?.error ?? {};
  if (message === undefined)
    return new Error(`Citadel answered ${response.status}.`, { cause: response.status });
  return new AppError(code !== undefined && code in ERRORS ? (code as ErrorCode) : 'internal', message, {
    param,
  });
}

function reasonOf(error: unknown): string {
  const { cause, message } = error as Error & { cause?: Error & { code?: string } };
  return cause?.code ?? cause?.message ?? message;
}
