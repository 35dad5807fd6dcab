import { z } from 'zod';
import type { RunId } from '../core/ids.ts';
import type { Json } from '../core/json-value.ts';
import { Priority } from '../core/schemas/priority.ts';
import type { SqlPool, SqlResult } from '../core/sql-pool.ts';
import type { RunSummary, StepRecord } from '../workflows/run-record.ts';
import type { RunStatus, StepError, StepState, StepStatus, Wait } from '../workflows/run-state.ts';
import type { RunRow, StepRow, Webhook } from '../workflows/run-store.ts';
import { toStoreError } from './sql-errors.ts';

// What these columns hold was written by us: what must be checked is that they are there, and of their type.
const JsonText = z.string().transform((text) => JSON.parse(text) as Json);
const typedJson = <T>() => z.string().transform((text) => JSON.parse(text) as T);
const Id = z.string().transform((id) => id as RunId);
const Whole = z.coerce.number();

const SummaryColumns = z.object({
  id: Id,
  kind: z.enum(['job', 'workflow']),
  workflow: z.string(),
  definition_hash: z.string(),
  status: z.string().transform((status) => status as RunStatus),
  key_name: z.string().nullable(),
  priority: Priority,
  tags: z.array(z.string()),
  metadata: JsonText,
  last_seq: Whole,
  tokens: Whole,
  error: typedJson<StepError>().nullable(),
  parent_id: Id.nullable(),
  parent_key: z.string().nullable(),
  parent_attempt: z.number().nullable(),
  forked_from: Id.nullable(),
  created_at: z.date(),
  started_at: z.date().nullable(),
  ended_at: z.date().nullable(),
  deadline_at: z.date().nullable(),
});

/** The columns of a run that are never large. */
export const SUMMARY_COLUMNS = Object.keys(SummaryColumns.shape).join(', ');

export function parseSummary(row: unknown): RunSummary {
  return toSummary(SummaryColumns.parse(row));
}

const RunColumns = SummaryColumns.extend({
  root_id: Id.nullable(),
  depth: z.number(),
  weight: z.number(),
  input: z.string(),
  output: JsonText.nullable(),
  revision: Whole,
  webhook: typedJson<Webhook>().nullable(),
});

export const RUN_COLUMNS = Object.keys(RunColumns.shape).join(', ');

export function parseRun(row: unknown): RunRow {
  const run = RunColumns.parse(row);
  return {
    summary: toSummary(run),
    rootId: run.root_id,
    depth: run.depth,
    weight: run.weight,
    inputText: run.input,
    output: (row as { output: unknown }).output === null ? undefined : run.output,
    revision: run.revision,
    webhook: run.webhook,
  };
}

const StepColumns = z.object({
  key: z.string(),
  path: z.string(),
  position: z.number(),
  status: z.string().transform((status) => status as StepStatus),
  attempt: z.number(),
  failures: z.number(),
  lapses: z.number(),
  waits: typedJson<Wait>().nullable(),
  end_order: z.number().nullable(),
  output: z.string().nullable(),
  error: typedJson<StepError>().nullable(),
  worker: z.string().nullable(),
  child_run_id: Id.nullable(),
});

export const STEP_COLUMNS = Object.keys(StepColumns.shape).join(', ');

export function parseStep(row: unknown): StepRow {
  const step = StepColumns.parse(row);
  return {
    step: toStep(step),
    position: step.position,
    worker: step.worker,
    childRunId: step.child_run_id,
  };
}

const StepTimes = StepColumns.extend({
  started_at: z.date().nullable(),
  ended_at: z.date().nullable(),
  wake_at: z.date().nullable(),
});

export const STEP_RECORD_COLUMNS = Object.keys(StepTimes.shape).join(', ');

export function parseStepRecord(row: unknown): StepRecord {
  const step = StepTimes.parse(row);
  return {
    ...toStep(step),
    startedAt: step.started_at,
    endedAt: step.ended_at,
    wakeAt: step.wake_at,
    childRunId: step.child_run_id,
  };
}

/** A text column takes neither NUL nor half a surrogate pair. */
export function plainText(text: string): string {
  return text.replaceAll('\0', '\ufffd').toWellFormed();
}

const DEADLOCK = '40P01';

export function isDeadlock(error: unknown): boolean {
  return (error as { code?: unknown } | null)?.code === DEADLOCK;
}

/** Queries of `pool` whose failure is `store_unavailable` where the database is out of reach or full. */
export function reachable(pool: SqlPool): SqlPool {
  return {
    ...pool,
    query: <R>(...statement: Parameters<SqlPool['query']>) =>
      pool.query<R>(...statement).catch(throwUnavailable) as Promise<SqlResult<R>>,
    transaction: (work) => pool.transaction(work).catch(throwUnavailable),
  };
}

function throwUnavailable(error: unknown): never {
  throw toStoreError(error);
}

function toSummary(row: z.infer<typeof SummaryColumns>): RunSummary {
  const { parent_id: runId, parent_key: key, parent_attempt: attempt } = row;
  return {
    id: row.id,
    kind: row.kind,
    workflow: row.workflow,
    definitionHash: row.definition_hash,
    status: row.status,
    keyName: row.key_name,
    priority: row.priority,
    tags: row.tags,
    metadata: row.metadata,
    lastSeq: row.last_seq,
    tokens: row.tokens,
    error: row.error,
    parent: runId === null || key === null || attempt === null ? null : { runId, key, attempt },
    forkedFrom: row.forked_from,
    createdAt: row.created_at,
    startedAt: row.started_at,
    endedAt: row.ended_at,
    deadlineAt: row.deadline_at,
  };
}

function toStep(row: z.infer<typeof StepColumns>): StepState {
  return {
    key: row.key,
    path: row.path,
    status: row.status,
    attempt: row.attempt,
    failures: row.failures,
    lapses: row.lapses,
    waits: row.waits,
    endOrder: row.end_order,
    output: row.output === null ? undefined : JSON.parse(row.output),
    error: row.error,
  };
}
