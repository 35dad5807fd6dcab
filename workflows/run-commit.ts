// What a decision changes, as the rows that the store writes.
import { newMessageId, type RunId } from '../core/ids.ts';
import { isFencingOff } from './fencing.ts';
import type { KnownRun } from './known-runs.ts';
import type { RunModel } from './run-model.ts';
import { isEnded } from './run-record.ts';
import type { Decision, EngineEvent, StepChange, StepState } from './run-state.ts';
import type {
  AttemptWrite,
  IdempotencyClaim,
  InboxMessage,
  NewRun,
  RunCommit,
  StepWrite,
} from './run-store.ts';

/** An attempt's end as its executor reports it. */
export interface Report {
  event: Extract<EngineEvent, { type: 'attempt_succeeded' | 'attempt_failed' }>;
  attempt: AttemptWrite;
}

export interface CommitParts {
  run: KnownRun;
  decision: Decision;
  /** Whether `start` has been decided, with this decision. */
  isBegun: boolean;
  /** Set for a run that is not in the store yet. */
  create?: {
    run: NewRun;
    idempotency: IdempotencyClaim | null;
    /** Steps that it has from the start, in the model as well. */
    steps: readonly StepState[];
  };
  reports: readonly Report[];
  /** Steps whose lease had lapsed. */
  lapsed: readonly { key: string; attempt: number }[];
  /** Steps whose time had come. */
  wakes: readonly string[];
  heeded: readonly string[];
  /** Runs for those changes that start one, by key. */
  children: ReadonlyMap<string, NewRun>;
  /** Who runs what has just become `running`. */
  worker: string;
}

/** The commit that makes the decision true, or null when it changes nothing. */
export function toCommit(parts: CommitParts): RunCommit | null {
  const { run, decision, create, heeded, reports } = parts;
  const steps = [
    ...presetSteps(parts),
    ...decision.steps.map((change) => toWrite(parts, change)),
    ...withoutWake(parts),
  ];
  let position = run.stepCount;
  for (const write of steps) if (!run.model.step(write.step.key)) write.position = position++;
  const attempts = [...reports.map((report) => toAttempt(report, decision)), ...leftAttempts(parts)];
  const isSame =
    !create &&
    steps.length + decision.events.length + attempts.length + heeded.length === 0 &&
    decision.signals.kept.length + decision.signals.consumed.length === 0 &&
    decision.run.status === run.model.facts.status;
  if (isSame) return null;
  return {
    runId: run.id,
    expected: create ? null : run.revision,
    create: create?.run ?? null,
    idempotency: create?.idempotency ?? null,
    run: decision.run,
    isBegun: parts.isBegun,
    steps,
    fences: fencesOf(parts),
    attempts,
    events: decision.events,
    signals: decision.signals,
    heeded: [...heeded],
    messages: [...messagesToChildren(parts), ...messagesToParent(run, decision)],
    children: [...parts.children.values()],
    webhook: toWebhook(run, decision),
  };
}

/** Steps that this decision has taken into `running`. */
export function claimedSteps(model: RunModel, { steps }: Decision): StepState[] {
  return steps
    .map(({ step }) => step)
    .filter(({ key, status, attempt }) => {
      if (status !== 'running') return false;
      const before = model.step(key);
      return before?.status !== 'running' || before.attempt !== attempt;
    });
}

function toWrite(
  { run, children, worker }: CommitParts,
  { step, wake = null, child }: StepChange,
): StepWrite {
  const before = run.model.step(step.key);
  const keepsRunning = before?.status === 'running' && before.attempt === step.attempt;
  return {
    step,
    position: 0,
    wake: wake && 'at' in wake ? { at: new Date(wake.at) } : wake,
    worker: step.status !== 'running' ? null : keepsRunning ? (run.workers.get(step.key) ?? worker) : worker,
    childRunId: (child ? children.get(step.key)?.id : run.children.get(step.key)) ?? null,
  };
}

function presetSteps({ create, decision }: CommitParts): StepWrite[] {
  const changed = new Set(decision.steps.map(({ step }) => step.key));
  const writes = (create?.steps ?? []).map((step, position) => ({
    step,
    position,
    wake: null,
    worker: null,
    childRunId: null,
  }));
  return writes.filter(({ step }) => !changed.has(step.key));
}

// A step that is woken and does not care would be woken for ever.
function withoutWake({ run, decision, wakes }: CommitParts): StepWrite[] {
  const changed = new Set(decision.steps.map(({ step }) => step.key));
  return wakes.flatMap((key) => {
    const step = run.model.step(key);
    if (!step || changed.has(key)) return [];
    const worker = step.status === 'running' ? (run.workers.get(key) ?? null) : null;
    return [{ step, position: 0, wake: null, worker, childRunId: run.children.get(key) ?? null }];
  });
}

function toAttempt({ event, attempt }: Report, { fenced }: Decision): AttemptWrite {
  return fenced.includes(event) ? { ...attempt, outcome: 'fenced' } : attempt;
}

/** Attempts that the decision has ended without a report: their lease has lapsed, or nobody wants them any more. */
function leftAttempts({ run, decision, reports, lapsed }: CommitParts): AttemptWrite[] {
  const reported = new Set(
    reports.filter(({ event }) => !decision.fenced.includes(event)).map(({ event }) => event.key),
  );
  return decision.steps.flatMap(({ step }) => {
    const before = run.model.step(step.key);
    if (before?.status !== 'running' || reported.has(step.key)) return [];
    if (step.status === 'running' && step.attempt === before.attempt) return [];
    const hasLapsed = lapsed.some(({ key, attempt }) => key === step.key && attempt === before.attempt);
    return [
      {
        key: step.key,
        attempt: before.attempt,
        worker: run.workers.get(step.key) ?? null,
        outcome: hasLapsed ? ('lapsed' as const) : ('cancelled' as const),
        error: hasLapsed ? step.error : null,
        tokens: 0,
        facts: null,
      },
    ];
  });
}

function fencesOf({ decision, reports, lapsed }: CommitParts): RunCommit['fences'] {
  if (isFencingOff()) return [];
  const reported = reports
    .map(({ event }) => event)
    .filter((event) => !decision.fenced.includes(event))
    .map(({ key, attempt }) => ({ key, attempt }));
  return [...reported, ...lapsed];
}

function messagesToChildren({ run, decision, children }: CommitParts): RunCommit['messages'] {
  return decision.steps.flatMap(({ step: { key }, cancelChild }) => {
    const messages: RunCommit['messages'] = [];
    const before = run.children.get(key);
    const next = children.get(key);
    if (cancelChild && before) messages.push(message(before, { type: 'cancel' }));
    if (next && next.concurrency === null) messages.push(message(next.id, { type: 'start' }));
    return messages;
  });
}

function messagesToParent({ row, model }: KnownRun, { run }: Decision): RunCommit['messages'] {
  const { parent } = row.summary;
  const { status, error } = run;
  if (!parent || isEnded(model.facts.status)) return [];
  if (status !== 'succeeded' && status !== 'failed' && status !== 'cancelled') return [];
  const { key, attempt } = parent;
  const output = run.output ?? null;
  const random = Math.random();
  return [message(parent.runId, { type: 'child_ended', key, attempt, status, output, error, random })];
}

function message(runId: RunId, event: InboxMessage['event']): RunCommit['messages'][number] {
  return { id: newMessageId(), runId, event };
}

function toWebhook({ row, model }: KnownRun, { run }: Decision): RunCommit['webhook'] {
  if (!row.webhook || !isEnded(run.status) || isEnded(model.facts.status)) return null;
  const event = `${row.summary.kind === 'job' ? 'job' : 'run'}.${run.status}`;
  const { events } = row.webhook;
  return events === null || events.includes(event) ? { id: newMessageId(), event } : null;
}
