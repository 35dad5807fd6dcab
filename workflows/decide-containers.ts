// Steps that hold steps: how their bodies begin, and what becomes of them when a body has ended.
import { AppError } from '../core/errors.ts';
import type { Json } from '../core/json-value.ts';
import { finishRun } from './decide-ending.ts';
import { failEvaluation } from './decide-failure.ts';
import { succeedWithin } from './decide-internal.ts';
import { consider } from './decide-steps.ts';
import type { RunDraft } from './run-draft.ts';
import { bodiesOf, ELSE, graphStepOf, listOf } from './run-view.ts';
import type { Step } from './step.ts';
import { containerOf, itemBody, namedBody, ROOT_BODY, turnBody } from './step-key.ts';
import { createScope, createUntilScope } from './step-scope.ts';
import { isBodyEnded, isUnopened } from './step-table.ts';

/** Step rows of a run. */
const STEPS_MAX = 100_000;

type Container = Extract<Step, { type: 'branch' | 'map' | 'loop' | 'parallel' }>;

/** Task `populate`: makes the container's first bodies. */
export function populate(draft: RunDraft, key: string): void {
  withContainer(draft, key, (container) => {
    if (container.type === 'map') return populateMap(draft, key);
    if (container.type === 'loop') return openBody(draft, turnBody(key, 0));
    if (container.type === 'branch') return takeBranch(draft, key, container);
    for (const name of Object.keys(container.branches)) addBody(draft, namedBody(key, name));
    for (const name of Object.keys(container.branches)) openBody(draft, namedBody(key, name));
  });
}

/** Task `open`: begins the map's next item, and asks to be called again while there is room for more. */
export function openNext(draft: RunDraft, key: string): void {
  const { bodies, open, next } = draft.table.container(key);
  const { step } = graphStepOf(draft.graph, key).planned;
  const limit = step.type === 'map' ? (step.concurrency ?? bodies) : 0;
  if (!isAtWork(draft, key) || draft.isHeld || open >= limit || next >= bodies) return;
  openBody(draft, itemBody(key, next));
  draft.push({ do: 'open', key });
}

/** Task `body_ended`. */
export function closeBody(draft: RunDraft, body: string): void {
  const key = containerOf(body);
  if (key === null) {
    if (body === ROOT_BODY) finishRun(draft);
    else draft.push({ do: 'cleanup' });
    return;
  }
  withContainer(draft, key, (container) => {
    if (container.type === 'branch') succeedWithin(draft, key, draft.outputOf(body));
    else if (container.type === 'map') closeItem(draft, key);
    else if (container.type === 'loop') closeTurn(draft, key, container.max_iterations);
    else closeParallel(draft, key, Object.keys(container.branches));
  });
}

/** Task `revisit`: begins whatever in the body could have begun before, had the run not been held. */
export function revisitBody(draft: RunDraft, body: string): void {
  for (const { id } of listOf(draft.graph, body).steps) {
    const key = body + id;
    if (isAtWork(draft, key)) revisitContainer(draft, key);
    else consider(draft, key);
  }
}

/** The same for one container, and its bodies. */
export function revisitContainer(draft: RunDraft, key: string): void {
  const { step } = graphStepOf(draft.graph, key).planned;
  const bodies = bodiesOf(draft, key);
  const isOpen = (body: string) => step.type !== 'map' || !isUnopened(draft.table.body(body));
  for (const body of bodies) {
    if (isOpen(body) && !isBodyEnded(draft.table.body(body))) draft.push({ do: 'revisit', body });
  }
  draft.push({ do: 'open', key });
  const last = bodies.at(-1);
  if (last === undefined) draft.push({ do: 'populate', key });
  else if (draft.table.container(key).ended === bodies.length) draft.push({ do: 'body_ended', body: last });
}

function withContainer(draft: RunDraft, key: string, act: (container: Container) => void): void {
  const { step } = graphStepOf(draft.graph, key).planned;
  if (!isAtWork(draft, key) || !isContainer(step)) return;
  try {
    act(step);
  } catch (thrown) {
    failEvaluation(draft, key, thrown);
  }
}

function isContainer(step: Step): step is Container {
  return step.type === 'branch' || step.type === 'map' || step.type === 'loop' || step.type === 'parallel';
}

const isAtWork = (draft: RunDraft, key: string) => draft.step(key)?.waits?.for === 'children';

function addBody(draft: RunDraft, body: string): void {
  const { steps } = listOf(draft.graph, body);
  requireRoom(draft, steps.length);
  for (const { id, planned } of steps) draft.add(body + id, planned.path);
}

function requireRoom({ table }: RunDraft, steps: number): void {
  if (table.run.steps + steps <= STEPS_MAX) return;
  throw new AppError('invalid_request', `A run has at most ${STEPS_MAX} steps.`);
}

function openBody(draft: RunDraft, body: string): void {
  addBody(draft, body);
  for (const { id } of listOf(draft.graph, body).roots) consider(draft, body + id);
}

function populateMap(draft: RunDraft, key: string): void {
  const items = draft.itemsOf(key);
  if (items.length === 0) {
    draft.succeed(key, []);
    return;
  }
  requireRoom(draft, items.length * listOf(draft.graph, itemBody(key, 0)).steps.length);
  for (const index of items.keys()) addBody(draft, itemBody(key, index));
  draft.push({ do: 'open', key });
}

function takeBranch(draft: RunDraft, key: string, branch: { else?: Step[] | undefined }): void {
  const { cases = [] } = graphStepOf(draft.graph, key).planned.compiled;
  const scope = createScope(draft, key);
  const taken = cases.findIndex((condition) => condition.evaluate(scope) === true);
  if (taken >= 0) openBody(draft, namedBody(key, String(taken)));
  else if (branch.else) openBody(draft, namedBody(key, ELSE));
  else draft.succeed(key, null);
}

function closeItem(draft: RunDraft, key: string): void {
  const { bodies, ended } = draft.table.container(key);
  if (ended < bodies) {
    draft.push({ do: 'open', key });
    return;
  }
  succeedWithin(
    draft,
    key,
    Array.from({ length: bodies }, (_, index) => outputOfItem(draft, itemBody(key, index))),
  );
}

/** Of an item that failed, which the map tolerates: null. */
const outputOfItem = (draft: RunDraft, body: string) =>
  draft.table.body(body).failed > 0 ? null : draft.outputOf(body);

function closeTurn(draft: RunDraft, key: string, turnsMax: number): void {
  const turn = draft.table.container(key).ended - 1;
  const { until } = graphStepOf(draft.graph, key).planned.compiled;
  const isEnough = turn + 1 >= turnsMax || until?.evaluate(createUntilScope(draft, key, turn)) === true;
  if (isEnough) succeedWithin(draft, key, draft.outputOf(turnBody(key, turn)));
  else openBody(draft, turnBody(key, turn + 1));
}

function closeParallel(draft: RunDraft, key: string, names: string[]): void {
  const { bodies, ended } = draft.table.container(key);
  if (ended < bodies) return;
  const outputs = names.map((name): [string, Json] => [name, draft.outputOf(namedBody(key, name))]);
  succeedWithin(draft, key, Object.fromEntries(outputs));
}
