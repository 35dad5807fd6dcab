import type { Connection } from './connection.ts';
import type { JobRecord, Page, Priority, RunStatus, Webhook } from './records.ts';
import { type RunEvent, readRunEvents } from './run-events.ts';

export type JobKind = 'chat' | 'completion' | 'embedding' | 'rag_query' | 'workflow';

export interface SubmitOptions {
  priority?: Priority;
  deadlineMs?: number;
  webhook?: Webhook;
  metadata?: Record<string, unknown>;
  /** As of `runs.start`. */
  idempotencyKey?: string;
  signal?: AbortSignal;
}

/** One call of a model (or a workflow) as a job with an id. */
export interface Jobs {
  /** Resolves when the job is durable. `request` is the body of the endpoint that `kind` names. */
  submit(kind: JobKind, request: object, options?: SubmitOptions): Promise<JobRecord>;
  get(id: string): Promise<JobRecord>;
  list(filter?: {
    status?: RunStatus;
    kind?: JobKind;
    limit?: number;
    after?: string;
  }): Promise<Page<JobRecord>>;
  /** Waits for the job's end. */
  wait(id: string, options?: { signal?: AbortSignal }): Promise<JobRecord>;
  events(id: string, options?: { after?: number; signal?: AbortSignal }): AsyncGenerator<RunEvent>;
  cancel(id: string): Promise<void>;
  /** Of a failed job. */
  retry(id: string): Promise<void>;
}

const PATH = '/api/v1/orchestrate';

export function createJobs(connection: Connection): Jobs {
  const pathOf = (id: string) => `${PATH}/${encodeURIComponent(id)}`;
  const get = async (id: string) => (await connection.request<JobRecord>(pathOf(id))).body;
  const events: Jobs['events'] = (id, options) => readRunEvents(connection, `${pathOf(id)}/events`, options);
  const post = async (id: string, action: string) => {
    await connection.request(`${pathOf(id)}/${action}`, { method: 'POST' });
  };

  return {
    async submit(kind, request, options = {}) {
      const {
        priority,
        deadlineMs,
        webhook,
        metadata,
        idempotencyKey = crypto.randomUUID(),
        signal,
      } = options;
      const { body } = await connection.request<JobRecord>(PATH, {
        method: 'POST',
        body: { kind, request, priority, deadline_ms: deadlineMs, webhook, metadata },
        idempotencyKey,
        signal,
      });
      return body;
    },
    get,
    list: async (filter) => (await connection.request<Page<JobRecord>>(PATH, { query: { ...filter } })).body,
    async wait(id, options) {
      for await (const _ of events(id, options));
      return await get(id);
    },
    events,
    cancel: (id) => post(id, 'cancel'),
    retry: (id) => post(id, 'retry'),
  };
}
