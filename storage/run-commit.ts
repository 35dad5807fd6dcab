import type { RunId } from '../core/ids.ts';
import type { SqlPool } from '../core/sql-pool.ts';
import type { CommitOutcome, NewRun, RunCommit, StepWrite } from '../workflows/run-store.ts';
import { COMMIT } from './run-commit-sql.ts';
import { isDeadlock, plainText } from './run-values.ts';

interface PassedRow {
  id: string;
  revision: string;
  last_seq: string;
  at: Date;
}

const DEADLOCK_TRIES = 5;

/** One statement for all of `changes`: a run's part of it takes place as a whole, or not at all. */
export async function commitRuns(pool: SqlPool, changes: readonly RunCommit[]): Promise<CommitOutcome[]> {
  const params = toParams(changes);
  const { rows } = await withoutDeadlock(() => pool.query<PassedRow>(COMMIT, params, { isPrepared: true }));
  const passed = new Map(rows.map((row) => [row.id, row]));
  return changes.map(({ runId }) => {
    const row = passed.get(runId);
    if (!row) return { runId, passed: false };
    return { runId, passed: true, revision: Number(row.revision), lastSeq: Number(row.last_seq), at: row.at };
  });
}

/** Statements that touch rows of the same runs in another order may wait for each other: one of them is undone, whole. */
export async function withoutDeadlock<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (!isDeadlock(error) || tries >= DEADLOCK_TRIES) throw error;
    }
  }
}

// One parameter per table, each the JSON text of its rows.
function toParams(changes: readonly RunCommit[]): string[] {
  const each = (rows: (change: RunCommit) => object[]) => JSON.stringify(changes.flatMap(rows));
  return [
    each((change) => [toChange(change)]),
    each(({ runId, fences }) => fences.map((fence) => ({ run_id: runId, ...fence }))),
    each(({ runId, idempotency }) => (idempotency ? [toClaim(runId, idempotency)] : [])),
    each(({ create, idempotency }) => (create ? [toNewRun(create, idempotency !== null)] : [])),
    each(({ runId, steps }) => steps.map((write) => toStep(runId, write))),
    each(toAttempts),
    each(toEvents),
    each(({ runId, signals }) =>
      signals.kept.map(({ id, name, payload }) => ({
        id,
        run_id: runId,
        name: plainText(name),
        payload: JSON.stringify(payload),
      })),
    ),
    each(({ runId, signals }) => signals.consumed.map((id) => ({ id, run_id: runId }))),
    each(({ runId, heeded }) => heeded.map((id) => ({ id, run_id: runId }))),
    each(({ runId: fromId, messages }) =>
      messages.map(({ id, runId, event }) => ({
        id,
        run_id: runId,
        event: JSON.stringify(event),
        from_id: fromId,
      })),
    ),
    each(({ children }) => children.map((child) => toNewRun(child, false))),
    each(({ runId, webhook }) => (webhook ? [{ ...webhook, run_id: runId }] : [])),
  ];
}

function toChange({ runId, expected, run, isBegun, events }: RunCommit): object {
  return {
    id: runId,
    revision: expected,
    status: run.status,
    output: toJsonText(run.output),
    error: run.error && JSON.stringify(run.error),
    tokens: run.tokens,
    events: events.length,
    is_begun: isBegun,
  };
}

function toClaim(runId: RunId, { owner, key, bodyHash }: NonNullable<RunCommit['idempotency']>): object {
  return { run_id: runId, owner: plainText(owner), key: plainText(key), body_hash: bodyHash };
}

function toNewRun(run: NewRun, isClaimed: boolean): object {
  return {
    id: run.id,
    kind: run.kind,
    workflow: plainText(run.workflow),
    definition_hash: run.definitionHash,
    key_name: run.keyName === null ? null : plainText(run.keyName),
    weight: run.weight,
    priority: run.priority,
    tags: run.tags.map(plainText),
    metadata: JSON.stringify(run.metadata),
    input: run.inputText,
    parent_id: run.parent?.runId,
    parent_key: run.parent?.key,
    parent_attempt: run.parent?.attempt,
    root_id: run.rootId,
    depth: run.depth,
    forked_from: run.forkedFrom,
    webhook: run.webhook && JSON.stringify(run.webhook),
    concurrency_key: run.concurrency && plainText(run.concurrency.key),
    concurrency_limit: run.concurrency?.limit,
    deadline_ms: run.deadlineMs,
    is_claimed: isClaimed,
  };
}

function toStep(runId: RunId, { step, position, wake, worker, childRunId }: StepWrite): object {
  return {
    run_id: runId,
    key: step.key,
    path: step.path,
    position,
    status: step.status,
    attempt: step.attempt,
    failures: step.failures,
    lapses: step.lapses,
    waits: step.waits && JSON.stringify(step.waits),
    end_order: step.endOrder,
    output: toJsonText(step.output),
    error: step.error && JSON.stringify(step.error),
    worker,
    wake_after_ms: wake && 'afterMs' in wake ? wake.afterMs : null,
    wake_at: wake && 'at' in wake ? wake.at : null,
    child_run_id: childRunId,
  };
}

function toAttempts({ runId, attempts }: RunCommit): object[] {
  return attempts.map(({ error, facts, ...attempt }) => ({
    ...attempt,
    run_id: runId,
    error: error && JSON.stringify(error),
    facts: JSON.stringify(facts),
  }));
}

function toEvents({ runId, events }: RunCommit): object[] {
  return events.map(({ type, key, data }, index) => ({
    run_id: runId,
    number: index + 1,
    type: plainText(type),
    key,
    data: JSON.stringify(data),
  }));
}

function toJsonText(value: RunCommit['run']['output']): string | null {
  return value === undefined ? null : JSON.stringify(value);
}
