// The steps of a run by key, and the sums over them that the engine decides by, so that no decision has to look at
// all steps: a change of one step costs the same in a run of ten and of ten thousand.
// I1: the sums are a function of the rows alone: a table built from a run's rows is the table that wrote them.
import { KeySet, Overlay } from './overlay.ts';
import type { StepState, StepStatus } from './run-state.ts';
import {
  bodyOf,
  compensatedBy,
  compensationOf,
  containerOf,
  indexOf,
  isCompensation,
  itemBody,
} from './step-key.ts';

/** Over the steps of one body. */
export interface BodyTally {
  total: number;
  pending: number;
  ended: number;
  failed: number;
}

/** Over the bodies of one container. */
export interface ContainerTally {
  bodies: number;
  /** Begun and not ended. */
  open: number;
  ended: number;
  /** With a failed step in them. */
  failed: number;
  /** Of a map: the first item that has not begun. */
  next: number;
}

export interface RunTally {
  steps: number;
  ready: number;
  running: number;
  /** Without containers, which wait for their children. */
  waiting: number;
  /** Compensations that are at work. */
  compensating: number;
  endOrderMax: number;
}

const ENDED: readonly StepStatus[] = ['succeeded', 'failed', 'skipped', 'cancelled'];

export const isEnded = (status: StepStatus) => ENDED.includes(status);

export class StepTable {
  readonly #steps: Overlay<StepState>;
  readonly #bodies: Overlay<BodyTally>;
  readonly #containers: Overlay<ContainerTally>;
  readonly #compensables: ReadonlySet<string>;
  readonly run: RunTally;
  readonly ready: KeySet;
  /** Steps that wait for a signal. */
  readonly listening: KeySet;
  /** Succeeded steps of this run whose compensation has not ended. */
  readonly compensable: KeySet;

  /** `compensables`: the paths of steps that have a compensation. With a table `below`: a draft over it, which stays as
   *  it is. */
  constructor(compensables: ReadonlySet<string>, below: StepTable | null = null) {
    this.#compensables = compensables;
    this.#steps = new Overlay(below ? below.#steps : null);
    this.#bodies = new Overlay(below ? below.#bodies : null);
    this.#containers = new Overlay(below ? below.#containers : null);
    this.ready = new KeySet(below ? below.ready : null);
    this.listening = new KeySet(below ? below.listening : null);
    this.compensable = new KeySet(below ? below.compensable : null);
    this.run = { ...(below ? below.run : NO_STEPS) };
  }

  /** A draft over this table. */
  draft(): StepTable {
    return new StepTable(this.#compensables, this);
  }

  get(key: string): StepState | undefined {
    return this.#steps.get(key);
  }

  keys(): Iterable<string> {
    return this.#steps.keys();
  }

  /** Whether this table, and not the one below, has the last word on the step. */
  covers(key: string): boolean {
    return this.#steps.covers(key);
  }

  body(body: string): Readonly<BodyTally> {
    return this.#bodies.get(body) ?? NO_BODY;
  }

  container(key: string): Readonly<ContainerTally> {
    return this.#containers.get(key) ?? NO_CONTAINER;
  }

  put(step: StepState): void {
    const before = this.#steps.get(step.key);
    this.#steps.set(step.key, step);
    this.#tallyBody(step, before);
    this.#tallyRun(step, before);
    this.#index(step, before);
  }

  #tallyBody(step: StepState, before: StepState | undefined): void {
    const body = bodyOf(step.key);
    const tally = this.#bodies.edit(body, copyOfBody);
    const was = phaseOf(tally);
    if (before) count(tally, before.status, -1);
    count(tally, step.status, 1);
    const container = containerOf(body);
    if (container === null) return;
    const is = phaseOf(tally);
    if (is !== was) this.#tallyContainer(container, was, is);
    if ((is & BEGUN) !== (was & BEGUN) && body.endsWith(']/')) this.#moveNext(container, indexOf(body) ?? 0);
  }

  #tallyContainer(key: string, was: number, is: number): void {
    const tally = this.#containers.edit(key, copyOfContainer);
    const change = (phase: number) => Number((is & phase) > 0) - Number((was & phase) > 0);
    tally.bodies += change(MADE);
    tally.open += change(OPEN);
    tally.ended += change(ENDED_BODY);
    tally.failed += change(FAILED);
  }

  #moveNext(map: string, changed: number): void {
    const tally = this.#containers.edit(map, copyOfContainer);
    if (isUnopened(this.body(itemBody(map, changed)))) tally.next = Math.min(tally.next, changed);
    while (tally.next < tally.bodies && !isUnopened(this.body(itemBody(map, tally.next)))) tally.next += 1;
  }

  #tallyRun(step: StepState, before: StepState | undefined): void {
    const { run } = this;
    if (!before) run.steps += 1;
    run.ready += Number(step.status === 'ready') - Number(before?.status === 'ready');
    run.running += Number(step.status === 'running') - Number(before?.status === 'running');
    run.waiting += Number(isLeafWait(step)) - Number(before !== undefined && isLeafWait(before));
    if (isCompensation(step.key)) {
      run.compensating += Number(isAtWork(step)) - Number(before !== undefined && isAtWork(before));
    }
    run.endOrderMax = Math.max(run.endOrderMax, step.endOrder ?? 0);
  }

  #index(step: StepState, before: StepState | undefined): void {
    const isReady = step.status === 'ready';
    const isListening = step.waits?.for === 'signal';
    if (isReady !== (before?.status === 'ready')) toggle(this.ready, step.key, isReady);
    if (isListening !== (before?.waits?.for === 'signal')) toggle(this.listening, step.key, isListening);
    if (isCompensation(step.key)) this.#indexCompensation(compensatedBy(step.key));
    if (this.#compensables.has(step.path)) this.#indexCompensation(step.key);
  }

  #indexCompensation(key: string): void {
    const step = this.get(key);
    const compensation = this.get(compensationOf(key));
    const isOwed = step?.status === 'succeeded' && step.endOrder !== null;
    toggle(this.compensable, key, isOwed && !(compensation && isEnded(compensation.status)));
  }
}

const NO_BODY: BodyTally = { total: 0, pending: 0, ended: 0, failed: 0 };
const NO_CONTAINER: ContainerTally = { bodies: 0, open: 0, ended: 0, failed: 0, next: 0 };
const NO_STEPS: RunTally = { steps: 0, ready: 0, running: 0, waiting: 0, compensating: 0, endOrderMax: 0 };

export const isBodyEnded = (tally: BodyTally) => tally.total > 0 && tally.ended === tally.total;

/** Also of one that is not there. */
export const isUnopened = ({ pending, total }: BodyTally) => pending === total;

const isOpen = (tally: BodyTally) => tally.pending < tally.total && tally.ended < tally.total;

// What a body is, as bits.
const MADE = 1;
const BEGUN = 2;
const OPEN = 4;
const ENDED_BODY = 8;
const FAILED = 16;

function phaseOf(tally: BodyTally): number {
  let phase = tally.total > 0 ? MADE : 0;
  if (!isUnopened(tally)) phase |= BEGUN;
  if (isOpen(tally)) phase |= OPEN;
  if (isBodyEnded(tally)) phase |= ENDED_BODY;
  return tally.failed > 0 ? phase | FAILED : phase;
}

const copyOfBody = (tally: BodyTally = NO_BODY) => ({ ...tally });
const copyOfContainer = (tally: ContainerTally = NO_CONTAINER) => ({ ...tally });

const isLeafWait = (step: StepState) => step.status === 'waiting' && step.waits?.for !== 'children';

const isAtWork = (step: StepState) => step.status !== 'pending' && !isEnded(step.status);

function count(tally: BodyTally, status: StepStatus, by: 1 | -1): void {
  tally.total += by;
  if (status === 'pending') tally.pending += by;
  if (isEnded(status)) tally.ended += by;
  if (status === 'failed') tally.failed += by;
}

function toggle(set: KeySet, key: string, isIn: boolean): void {
  if (isIn) set.add(key);
  else set.delete(key);
}
