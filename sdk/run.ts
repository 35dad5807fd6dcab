import { CitadelError } from './citadel-error.ts';
import type { Connection } from './connection.ts';
import type { Json, Outcome, RunRecord } from './records.ts';
import { type RunEvent, readRunEvents } from './run-events.ts';

/** A run that Citadel has accepted. */
export interface Run<Output = Json> {
  readonly id: string;
  /** With its steps. */
  get(): Promise<RunRecord>;
  /** The run's output, once it has ended. Throws CitadelError, `code` the run's own, when it has not succeeded. */
  result(options?: WaitOptions): Promise<Output>;
  /** How the run has ended; waits for it. */
  outcome(options?: WaitOptions): Promise<Outcome<Output>>;
  /** Everything that happens, from the beginning unless told, to the run's end. */
  events(options?: { after?: number; signal?: AbortSignal }): AsyncGenerator<RunEvent>;
  cancel(): Promise<void>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Of a failed run: what has not succeeded runs again. */
  retry(): Promise<void>;
  /** A new run that takes over the steps before `fromStep`, as far as what they were made of is the same. */
  fork(fromStep: string, set?: ForkChanges, options?: { idempotencyKey?: string }): Promise<Run<Output>>;
  /** Answers an approval (its name is the step's id) or sends an event. */
  signal(name: string, payload?: unknown): Promise<void>;
}

export interface WaitOptions {
  signal?: AbortSignal;
}

export interface ForkChanges {
  input?: unknown;
  /** Fields of steps, by their ids. */
  steps?: Record<string, Record<string, unknown>>;
}

const WAIT_MS = 30_000;

export function createRun<Output>(connection: Connection, id: string): Run<Output> {
  const path = `/api/v1/workflows/${encodeURIComponent(id)}`;
  const post = async (action: string) => {
    await connection.request(`${path}/${action}`, { method: 'POST' });
  };

  async function outcome({ signal }: WaitOptions = {}): Promise<Outcome<Output>> {
    for (;;) {
      const { status, body } = await connection.request<Outcome<Output>>(`${path}/result`, {
        query: { wait_ms: WAIT_MS },
        signal,
      });
      if (status === 200) return body;
    }
  }

  return {
    id,
    get: async () => (await connection.request<RunRecord>(path)).body,
    async result(options) {
      const ended = await outcome(options);
      if (ended.status === 'succeeded') return ended.output;
      const { message = `The run was ${ended.status}.`, code = ended.status, param } = ended.error ?? {};
      throw new CitadelError(message, { code, param, runId: id });
    },
    outcome,
    events: (options) => readRunEvents(connection, `${path}/events`, options),
    cancel: () => post('cancel'),
    pause: () => post('pause'),
    resume: () => post('resume'),
    retry: () => post('retry'),
    async fork(fromStep, set, { idempotencyKey = crypto.randomUUID() } = {}) {
      const { body } = await connection.request<{ id: string }>(`${path}/fork`, {
        method: 'POST',
        body: { from_step: fromStep, ...(set === undefined ? {} : { set }) },
        idempotencyKey,
      });
      return createRun<Output>(connection, body.id);
    },
    async signal(name, payload = {}) {
      await connection.request(`${path}/signals/${encodeURIComponent(name)}`, {
        method: 'POST',
        body: payload,
      });
    },
  };
}
