// The attempts that this process makes.
// I1: an attempt ends in one report, or in none when its run does not want it any more.
// I2: an output is no larger than output-limit.ts allows.
import { createHash } from 'node:crypto';
import { failPoint } from '../core/fail-point.ts';
import type { RunId } from '../core/ids.ts';
import type { Json } from '../core/json-value.ts';
import { endsWithin } from '../core/time-limit.ts';
import type { Tracing } from '../core/tracing.ts';
import { canonicalJson } from './canonical-json.ts';
import { parseDuration } from './duration.ts';
import { toStepError } from './failure-class.ts';
import type { KnownRun } from './known-runs.ts';
import { outputProblem } from './output-limit.ts';
import type { Report } from './run-commit.ts';
import type { RunMetrics } from './run-metrics.ts';
import { endStepSpan, startStepSpan } from './run-spans.ts';
import type { StepError, StepState } from './run-state.ts';
import type { HeldStep, RunStore } from './run-store.ts';
import { graphStepOf } from './run-view.ts';
import type { RunDelta } from './runs.ts';
import type { AttemptEnd, StepAttempt, StepExecutors } from './step-executor.ts';

export interface Attempts {
  /** Begins an attempt that the store has given to this process. */
  begin(run: KnownRun, step: StepState): void;
  /** Whether the attempt runs here, or its report is on its way. */
  holds(id: RunId, step: Pick<StepState, 'key' | 'attempt'>): boolean;
  held(): HeldStep[];
  /** The run does not want it any more: it ends without a report. */
  drop(held: HeldStep): void;
  soFar(id: RunId): RunDelta[];
  /** Resolves when no attempt runs, or `limitMs` have passed. */
  untilIdle(limitMs: number): Promise<void>;
  /** Ends what runs; each is reported as handed back. */
  handBack(): Promise<void>;
}

interface AttemptsOptions {
  worker: string;
  executors: StepExecutors;
  store: Pick<RunStore, 'cached' | 'cache'>;
  /** Resolves when the report is in the store, or cannot be any more; never throws. */
  report(id: RunId, report: Report, sizeChars: number): Promise<void>;
  /** An attempt has ended: there is room for another step. */
  onEnd(): void;
  onSay(id: RunId, delta: RunDelta): void;
  metrics: Pick<RunMetrics, 'attemptEnded'>;
  tracing: Tracing;
}

interface Running extends HeldStep {
  abort: AbortController;
  said: { part: number; text: string };
}

const SAID_CHARS_MAX = 4_194_304;
const HAND_BACK_MS = 2_000;

const DROPPED = 'the run does not want this attempt any more';
const HANDED_BACK = 'the process is leaving';
const TIMED_OUT = 'the step took too long';

export function createAttempts(options: AttemptsOptions): Attempts {
  const { worker, executors, store, report, onEnd, onSay, metrics, tracing } = options;
  /** By run and key: what runs, and what is being reported. */
  const running = new Map<string, Running>();
  let atWork = 0;
  const idle = new Set<() => void>();

  return {
    begin(run, step) {
      const attempt: Running = {
        runId: run.id,
        key: step.key,
        attempt: step.attempt,
        abort: new AbortController(),
        said: { part: 0, text: '' },
      };
      running.set(nameOf(attempt), attempt);
      atWork += 1;
      make(run, attempt);
    },
    holds: (runId, { key, attempt }) => running.get(nameOf({ runId, key }))?.attempt === attempt,
    held: () => Array.from(running.values(), ({ runId, key, attempt }) => ({ runId, key, attempt })),
    drop({ runId, key, attempt }) {
      const one = running.get(nameOf({ runId, key }));
      if (one?.attempt === attempt) one.abort.abort(DROPPED);
    },
    soFar(id) {
      return [...running.values()]
        .filter(({ runId, said }) => runId === id && said.text !== '')
        .map(({ key, attempt, said }) => ({ key, attempt, part: said.part, offset: 0, text: said.text }));
    },
    async untilIdle(limitMs) {
      if (atWork === 0) return;
      await endsWithin(new Promise<void>((resolve) => idle.add(resolve)), limitMs);
    },
    async handBack() {
      for (const { abort } of running.values()) abort.abort(HANDED_BACK);
      await this.untilIdle(HAND_BACK_MS);
    },
  };

  async function make(run: KnownRun, one: Running): Promise<void> {
    const { signal } = one.abort;
    const planned = graphStepOf(run.model.graph, one.key).planned;
    const { timeout } = planned.step;
    const timer =
      timeout === undefined
        ? undefined
        : setTimeout(() => one.abort.abort(TIMED_OUT), parseDuration(timeout));
    const sinceMs = performance.now();
    const span = startStepSpan(tracing, {
      runId: run.id,
      key: one.key,
      attempt: one.attempt,
      type: planned.step.type,
    });
    let end: AttemptEnd;
    try {
      const attempt = { ...toAttempt(run, one), trace: span.context };
      end = withinSize(one.key, await execute(attempt, signal));
    } catch (error) {
      end = { status: 'failed', error: toStepError(error), tokens: 0, facts: null };
    }
    clearTimeout(timer);
    if (end.status === 'succeeded') failPoint('effect.after');
    const outcome = signal.aborted ? whenAborted(signal, end) : end;
    metrics.attemptEnded(planned.step.type, outcome, performance.now() - sinceMs);
    endStepSpan(span, outcome);
    atWork -= 1;
    onEnd();
    if (outcome) {
      const sizeChars = outcome.status === 'succeeded' ? sizeOf(outcome.output) : 0;
      await report(run.id, toReport(one, outcome), sizeChars);
    }
    if (running.get(nameOf(one)) === one) running.delete(nameOf(one));
    if (atWork > 0) return;
    for (const resolve of idle) resolve();
    idle.clear();
  }

  async function execute(attempt: StepAttempt, signal: AbortSignal): Promise<AttemptEnd> {
    const executor = executors[attempt.step.type];
    if (!executor) throw new Error(`no executor for steps of type ${attempt.step.type}`);
    const { cache } = attempt.step;
    if (!cache) return await executor(attempt, signal);
    const key = cacheKeyOf(attempt);
    // A cache that is away is an empty one.
    const known = await store.cached(key).catch(() => undefined);
    if (known !== undefined) {
      return { status: 'succeeded', output: known, tokens: 0, facts: { cached: true } };
    }
    const end = await executor(attempt, signal);
    if (end.status === 'succeeded') {
      await store.cache(key, end.output, parseDuration(cache.ttl)).catch(() => {});
    }
    return end;
  }

  function toAttempt(run: KnownRun, one: Running): StepAttempt {
    const { row, model } = run;
    const { step, compiled } = graphStepOf(model.graph, one.key).planned;
    const fields = model.fieldsOf(one.key) as StepAttempt['fields'];
    const cacheKey = compiled.cacheKey?.evaluate(model.scopeOf(one.key));
    return {
      runId: run.id,
      key: one.key,
      attempt: one.attempt,
      step,
      fields,
      cacheKey,
      inputText: row.inputText,
      keyName: row.summary.keyName,
      weight: row.weight,
      priority: row.summary.priority,
      tags: row.summary.tags,
      idempotencyKey: `${run.id}/${one.key}`,
      say: (part, text) => say(one, part, text),
    };
  }

  function say(one: Running, part: number, text: string): void {
    if (text === '' || one.abort.signal.aborted) return;
    if (part !== one.said.part) one.said = { part, text: '' };
    const offset = one.said.text.length;
    if (offset + text.length > SAID_CHARS_MAX) return;
    one.said.text += text;
    onSay(one.runId, { key: one.key, attempt: one.attempt, part, offset, text });
  }

  function toReport({ key, attempt }: Running, end: AttemptEnd): Report {
    const { tokens, facts } = end;
    const common = { key, attempt, worker, tokens, facts };
    if (end.status === 'succeeded') {
      const event = { type: 'attempt_succeeded', key, attempt, output: end.output, tokens } as const;
      return { event, attempt: { ...common, outcome: 'succeeded', error: null } };
    }
    const { error } = end;
    const random = Math.random();
    const outcome = error.class === 'cancelled' ? 'handed_back' : 'failed';
    return {
      event: { type: 'attempt_failed', key, attempt, error, tokens, random },
      attempt: { ...common, outcome, error },
    };
  }
}

const nameOf = ({ runId, key }: Pick<HeldStep, 'runId' | 'key'>) => `${runId} ${key}`;

/** How an attempt that was stopped ends; null when nobody wants to know. One that had succeeded by then has. */
function whenAborted({ reason }: AbortSignal, end: AttemptEnd): AttemptEnd | null {
  if (end.status === 'succeeded') return end;
  if (reason === DROPPED) return null;
  const error: StepError =
    reason === TIMED_OUT
      ? { code: 'deadline_exceeded', message: 'The step did not end within its timeout.', class: 'timeout' }
      : { code: 'cancelled', message: 'The process that ran this step stopped.', class: 'cancelled' };
  return { ...end, error };
}

function withinSize(key: string, end: AttemptEnd): AttemptEnd {
  const error = end.status === 'failed' ? null : outputProblem(key, end.output);
  return error ? { ...end, status: 'failed', error } : end;
}

const sizeOf = (output: Json) => JSON.stringify(output).length;

/** What a step that may be taken from the cache depends on. */
function cacheKeyOf({ keyName, step, fields, cacheKey }: StepAttempt): string {
  const parts = [keyName, step.type, step.output?.schema ?? null, cacheKey ?? fields];
  return createHash('sha256').update(canonicalJson(parts)).digest('hex');
}
