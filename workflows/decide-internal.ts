// Steps that no worker runs: the engine does them within a decision, or waits.
import { AppError } from '../core/errors.ts';
import type { Json } from '../core/json-value.ts';
import { failAttempt } from './decide-failure.ts';
import { parseDuration } from './duration.ts';
import { outputProblem } from './output-limit.ts';
import type { RunDraft } from './run-draft.ts';
import type { GraphStep } from './run-graph.ts';
import type { Wait } from './run-state.ts';
import { graphStepOf } from './run-view.ts';
import type { StepType } from './step.ts';
import { createScope } from './step-scope.ts';

const EVENT_DATA_CHARS_MAX = 16_384;

/** A chat's whole output is several times the text that is wanted of it. */
const SMALLER_ITEMS =
  ' Its items keep what their last steps give: end them with a transform that gives less, such as only the text.';

/** Whether the engine does this step by itself. */
export const isInternal = ({ planned }: GraphStep) => planned.step.type in BEGIN;

/** Does the step, or as much of it as there is to do now. Throws AppError when its expressions fail. */
export function beginInternal(draft: RunDraft, key: string, step: GraphStep): void {
  const attempt = (draft.step(key)?.attempt ?? 0) + 1;
  BEGIN[step.planned.step.type]?.({ draft, key, step, attempt });
}

/** Ends the step with this output, unless that is larger than an output may be. */
export function succeedWithin(draft: RunDraft, key: string, output: Json): void {
  const { type } = graphStepOf(draft.graph, key).planned.step;
  const problem = outputProblem(key, output, type === 'map' ? SMALLER_ITEMS : '');
  if (problem) failAttempt(draft, key, problem);
  else draft.succeed(key, output);
}

interface Beginning {
  draft: RunDraft;
  key: string;
  step: GraphStep;
  attempt: number;
}

const BEGIN: Partial<Record<StepType, (beginning: Beginning) => void>> = {
  transform: (beginning) => {
    start(beginning);
    succeedWithin(beginning.draft, beginning.key, fieldsOf(beginning).value ?? null);
  },
  emit: beginEmit,
  fail: (beginning) => {
    const message = toText(fieldsOf(beginning).message);
    start(beginning);
    failAttempt(beginning.draft, beginning.key, { code: 'failed', message, class: 'fatal' });
  },
  sleep: beginSleep,
  approve: (beginning) => listen(beginning, beginning.step.planned.step.id),
  wait_event: (beginning) => listen(beginning, toText(fieldsOf(beginning).name)),
  workflow: beginChild,
  branch: beginContainer,
  map: beginContainer,
  loop: beginContainer,
  parallel: beginContainer,
};

function fieldsOf({ draft, key, step }: Beginning): { [field: string]: Json } {
  const fields = step.planned.compiled.fields.evaluate(createScope(draft, key));
  return fields !== null && typeof fields === 'object' && !Array.isArray(fields) ? fields : {};
}

/** Only within the decision: the step ends in it. */
const start = ({ draft, key, attempt }: Beginning) => draft.change(key, { status: 'running', attempt });

function beginEmit(beginning: Beginning): void {
  const { draft, key } = beginning;
  const { event, data } = fieldsOf(beginning);
  const told = { event: toText(event), data: data ?? null };
  start(beginning);
  if (JSON.stringify(told).length > EVENT_DATA_CHARS_MAX) {
    const message = `The data of the event that step \`${key}\` emits are more than 16 KiB of JSON.`;
    failAttempt(draft, key, { code: 'output_too_large', message, class: 'fatal' });
    return;
  }
  draft.emit('emitted', key, told);
  draft.succeed(key, null);
}

function beginSleep(beginning: Beginning): void {
  const { draft, key, attempt } = beginning;
  const fields = fieldsOf(beginning);
  const wake =
    fields.until === undefined
      ? { afterMs: parseDuration(toText(fields.for)) }
      : { at: parseTime(toText(fields.until)) };
  draft.change(key, { status: 'waiting', attempt, waits: { for: 'time' } }, { wake });
  draft.emit('step.waiting', key, { for: 'time' });
}

/** Waits for a signal of that name, or takes the oldest one that has come before. */
function listen(beginning: Beginning, name: string): void {
  const { draft, key } = beginning;
  const early = draft.kept.find((signal) => signal.name === key || signal.name === name);
  if (early) {
    start(beginning);
    draft.consume(early.id);
    draft.succeed(key, early.payload);
    return;
  }
  wait(beginning, { for: 'signal', name });
  draft.emit('step.waiting', key, { for: 'signal', name });
}

function beginChild(beginning: Beginning): void {
  const { draft, key, attempt } = beginning;
  const { workflow, input } = fieldsOf(beginning);
  const child = { workflow: toText(workflow), input: input ?? {} };
  const wake = beginning.step.timeLimit;
  draft.change(key, { status: 'waiting', attempt, waits: { for: 'child' } }, { wake, child });
  draft.emit('step.waiting', key, { for: 'child', workflow: child.workflow });
}

function beginContainer(beginning: Beginning): void {
  const { draft, key, attempt } = beginning;
  const hasBegunBefore = draft.table.container(key).bodies > 0;
  wait(beginning, { for: 'children' });
  draft.emit('step.started', key, { attempt });
  draft.push({ do: hasBegunBefore ? 'revive' : 'populate', key });
}

function wait({ draft, key, step, attempt }: Beginning, waits: Wait): void {
  draft.change(key, { status: 'waiting', attempt, waits }, { wake: step.timeLimit });
}

const toText = (value: Json | undefined) => (typeof value === 'string' ? value : JSON.stringify(value ?? ''));

const RFC_3339 = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:?\d\d)$/;

/** Only with a zone: without one it would mean another moment on another machine. */
function parseTime(text: string): string {
  const time = RFC_3339.test(text) ? new Date(text) : null;
  if (time && !Number.isNaN(time.getTime())) return time.toISOString();
  throw new AppError(
    'invalid_request',
    `A time is written like "2026-11-25T16:00:00Z", with its zone; not "${text.slice(0, 40)}".`,
  );
}
