import type { Connection } from './connection.ts';
import type { Json, Page, Priority, RunRecord, RunStatus, Webhook } from './records.ts';
import { createRun, type Run } from './run.ts';
import { type Definition, definitionOf, type Workflow } from './workflow.ts';

export interface StartOptions {
  tags?: string[];
  priority?: Priority;
  /** From now; the run then fails with `deadline_exceeded`. */
  deadlineMs?: number;
  webhook?: Webhook;
  /** The same key and request give the same run for 24 h. A random one unless told, so that a repeat starts no second run. */
  idempotencyKey?: string;
  signal?: AbortSignal;
}

export interface RunFilter {
  status?: RunStatus;
  workflow?: string;
  tag?: string;
  /** RFC 3339. */
  since?: string;
  limit?: number;
  /** The id after which the page begins. */
  after?: string;
}

export interface Runs {
  /** Starts a stored workflow by its name, or a definition. Resolves when the run is durable. */
  start<Input, Output>(
    workflow: Workflow<Input, Output>,
    input: NoInfer<Input>,
    options?: StartOptions,
  ): Promise<Run<Output>>;
  start<Output = Json>(
    workflow: string | Definition,
    input?: unknown,
    options?: StartOptions,
  ): Promise<Run<Output>>;
  /** A run by its id, unseen. */
  open<Output = Json>(id: string): Run<Output>;
  list(filter?: RunFilter): Promise<Page<RunRecord>>;
}

const PATH = '/api/v1/workflows';

export function createRuns(connection: Connection): Runs {
  return {
    async start<Output>(
      workflow: string | Definition | Workflow<unknown, Output>,
      input: unknown = {},
      options: StartOptions = {},
    ) {
      const { tags, priority, deadlineMs, webhook, idempotencyKey = crypto.randomUUID(), signal } = options;
      const { body } = await connection.request<{ id: string }>(PATH, {
        method: 'POST',
        body: { ...toReference(workflow), input, tags, priority, deadline_ms: deadlineMs, webhook },
        idempotencyKey,
        signal,
      });
      return createRun<Output>(connection, body.id);
    },
    open: (id) => createRun(connection, id),
    list: async (filter) => (await connection.request<Page<RunRecord>>(PATH, { query: { ...filter } })).body,
  };
}

function toReference(workflow: string | Definition | Workflow): object {
  if (typeof workflow === 'string') return { workflow };
  return { definition: definitionOf(workflow) };
}
