import { type EventSourceMessage, EventSourceParserStream } from 'eventsource-parser/stream';
import { startTestCitadel, type TestCitadel } from '../support/citadel.ts';
import { waitFor } from '../support/wait-for.ts';

export const CHAT_MODEL = 'sim-chat';
/** Ten seconds to its end. */
export const SLOW_MODEL = 'sim:token=50+tokens=200';
/** A second to its end. */
export const BRIEF_MODEL = 'sim:token=20+tokens=50';
export const BAD_MODEL = 'sim:bad-request';
export const WORK_ADMIN_KEY = 'sk-admin-0123456789';

export const JOBS = '/api/v1/orchestrate';
export const RUNS = '/api/v1/workflows';

type Answer = Awaited<ReturnType<ReturnType<typeof askerOf>>>;

export interface WorkBundle {
  citadel: TestCitadel;
  ask(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  /** What a job or run has become once it has ended. */
  untilEnded(path: string): Promise<Answer['body']>;
  /** Calls of models that the server has seen. */
  calls(): number;
}

/** Citadel in this process, in front of a simulated server whose models are quick, slow and bad. */
export async function setupWork(options: Parameters<typeof startTestCitadel>[0] = {}): Promise<WorkBundle> {
  const citadel = await startTestCitadel({
    models: [CHAT_MODEL, SLOW_MODEL, BRIEF_MODEL, BAD_MODEL, 'sim:fail-once', 'sim-embed'],
    ...options,
  });
  const ask = askerOf(citadel.url);
  return {
    citadel,
    ask,
    untilEnded: (path) =>
      waitFor(
        async () => {
          const { body } = await ask('GET', path);
          return ['succeeded', 'failed', 'cancelled'].includes(body.status) ? body : null;
        },
        `${path} has ended`,
        30_000,
      ),
    calls: () => citadel.model.requests.filter(({ method }) => method === 'POST').length,
  };
}

/** Calls an API and reads its JSON; as an admin, where there are keys. */
function askerOf(url: string) {
  return async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const response = await fetch(url + path, {
      method,
      headers: {
        authorization: `Bearer ${WORK_ADMIN_KEY}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      body: body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body),
    });
    return { status: response.status, headers: response.headers, body: JSON.parse(await response.text()) };
  };
}

export interface SentEvent {
  id: number | null;
  type: string;
  data: Record<string, unknown>;
}

/** An event stream that is being read: what has come so far, and its end. */
export async function readEventStream(url: string, lastEventId?: number) {
  const leave = new AbortController();
  const response = await fetch(url, {
    headers: {
      authorization: `Bearer ${WORK_ADMIN_KEY}`,
      ...(lastEventId === undefined ? {} : { 'last-event-id': String(lastEventId) }),
    },
    signal: leave.signal,
  });
  const events: SentEvent[] = [];
  const read = async () => {
    if (!response.body) return;
    const stream = response.body
      .pipeThrough(new TextDecoderStream())
      .pipeThrough(new EventSourceParserStream());
    for await (const event of stream) events.push(toSent(event));
  };
  const ended = read().catch((error) => {
    if (!leave.signal.aborted) throw error;
  });
  return { response, events, ended, leave: () => leave.abort() };
}

function toSent({ id, event = 'message', data }: EventSourceMessage): SentEvent {
  return { id: id === undefined ? null : Number(id), type: event, data: JSON.parse(data) };
}

export const durable = (events: readonly SentEvent[]) => events.filter(({ id }) => id !== null);

/** What the deltas of a step's last attempt say. */
export function textOf(events: readonly SentEvent[]): string {
  return events
    .filter(({ id }) => id === null)
    .map(({ data }) => data.text)
    .join('');
}
