import type { Json } from '../core/json-value.ts';
import type {
  Decision,
  EngineEvent,
  KeptSignal,
  RunEventRow,
  RunFacts,
  StepChange,
  StepState,
  StepStatus,
} from './run-state.ts';
import { RunView } from './run-view.ts';

/** What is still to be thought through within one decision. */
export type Task =
  /** A pending step: may it begin? */
  | { do: 'consider'; key: string }
  /** A container has begun: its bodies. */
  | { do: 'populate'; key: string }
  /** A map may begin further items. */
  | { do: 'open'; key: string }
  /** A step has succeeded or was skipped. */
  | { do: 'ended'; key: string }
  /** A step has failed for good. */
  | { do: 'failed'; key: string }
  | { do: 'body_ended'; body: string }
  /** Whatever could begin in the body. */
  | { do: 'revisit'; body: string }
  /** A container that failed begins again where it failed. */
  | { do: 'revive'; key: string }
  /** A run that has failed or was cancelled: compensations, `on_failure`, then the end. */
  | { do: 'cleanup' };

/** Evaluations within one decision before the rest is left `ready` for the next one: a decision holds up its process. */
const INLINE_STEPS_MAX = 500;

/** A run with the changes that a decision has made so far, laid over the run as it was, which stays as it is. */
export class RunDraft extends RunView {
  readonly #before: RunView;
  readonly #changes = new Map<string, StepChange>();
  readonly #consumed = new Set<string>();
  readonly #arrived: KeptSignal[] = [];
  readonly #events: RunEventRow[] = [];
  readonly #fenced: EngineEvent[] = [];
  readonly #tasks: Task[] = [];
  #tasksTaken = 0;
  #inlineLeft = INLINE_STEPS_MAX;
  /** Nothing begins: the run is paused, or about to be. */
  isHeld: boolean;
  /** The event in hand has used up the token budget. */
  isOverBudget = false;
  /** Whether a step of the run has begun to run or to wait, or has ended. */
  hasBegun: boolean;
  /** 0..1, for the jitter of retries. */
  random = 0.5;

  constructor(before: RunView) {
    const { plan, id, input, facts, table, kept } = before;
    super({ plan, id, input, facts: { ...facts }, table: table.draft(), kept });
    this.#before = before;
    this.isHeld = facts.status === 'paused';
    this.hasBegun = facts.status !== 'queued';
  }

  override itemsOf(map: string): readonly Json[] {
    return this.table.covers(map) ? super.itemsOf(map) : this.#before.itemsOf(map);
  }

  push(task: Task): void {
    this.#tasks.push(task);
  }

  takeTask(): Task | undefined {
    const task = this.#tasks[this.#tasksTaken];
    if (task) this.#tasksTaken += 1;
    return task;
  }

  /** Whether one more step may be evaluated within this decision. */
  takeInline(): boolean {
    this.#inlineLeft -= 1;
    return this.#inlineLeft >= 0;
  }

  /** Adds the step as pending, unless it is there. */
  add(key: string, path: string): void {
    if (this.step(key)) return;
    this.#write({ step: { ...NEW_STEP, key, path } });
  }

  /** Changes the step; what is not named stays, but for what belongs to the status it had. */
  change(key: string, change: StepPatch, effects: StepEffects = {}): void {
    const before = this.step(key);
    if (!before) throw new Error(`The run has no step ${key}.`);
    this.#write({ step: { ...before, waits: null, ...change }, ...effects });
  }

  succeed(key: string, output: Json): void {
    const endOrder = this.table.run.endOrderMax + 1;
    this.change(key, { status: 'succeeded', output, error: null, endOrder });
    this.emit('step.succeeded', key, {});
    this.push({ do: 'ended', key });
  }

  emit(type: string, key: string | null, data: { [name: string]: Json }): void {
    this.#events.push({ type, key, data });
  }

  keep(signal: KeptSignal): void {
    this.#arrived.push(signal);
    this.kept = [...this.kept, signal];
  }

  consume(id: string): void {
    this.#consumed.add(id);
    this.kept = this.kept.filter((signal) => signal.id !== id);
  }

  /** Counts the tokens. Each time that the run has used as many more as its budget, nothing begins for now. */
  spend(tokens: number): void {
    const before = this.facts.tokens;
    this.setRun({ tokens: before + tokens });
    const budget = this.plan.definition.budget?.tokens ?? Number.POSITIVE_INFINITY;
    if (Math.floor((before + tokens) / budget) === Math.floor(before / budget)) return;
    this.isOverBudget = true;
    this.isHeld = true;
  }

  /** The run that this step's last attempt has started need not go on. */
  cancelChildOf(key: string): void {
    const change = this.#changes.get(key);
    if (change) this.#changes.set(key, { ...change, cancelChild: true });
  }

  fence(event: EngineEvent): void {
    this.#fenced.push(event);
  }

  setRun(facts: Partial<RunFacts>): void {
    this.facts = { ...this.facts, ...facts };
  }

  /** The decision so far. */
  toDecision(): Decision {
    return {
      steps: [...this.#changes.values()],
      events: this.#events,
      run: this.facts,
      signals: {
        kept: this.#arrived.filter(({ id }) => !this.#consumed.has(id)),
        consumed: [...this.#consumed],
      },
      fenced: this.#fenced,
    };
  }

  #write(change: StepChange): void {
    const { key } = change.step;
    const hadChild = this.#changes.get(key)?.cancelChild;
    this.#noteBeginning(change.step.status);
    this.table.put(change.step);
    this.#changes.set(key, hadChild ? { ...change, cancelChild: true } : change);
  }

  #noteBeginning(status: StepStatus): void {
    if (this.hasBegun || status === 'pending' || status === 'ready' || status === 'cancelled') return;
    this.hasBegun = true;
    this.emit('run.started', null, {});
  }
}

type StepPatch = { status: StepStatus } & Partial<Omit<StepState, 'key' | 'path'>>;
type StepEffects = Omit<StepChange, 'step'>;

const NEW_STEP: Omit<StepState, 'key' | 'path'> = {
  status: 'pending',
  attempt: 0,
  failures: 0,
  lapses: 0,
  waits: null,
  endOrder: null,
  output: undefined,
  error: null,
};
