import type { Json } from '../core/json-value.ts';
import type { Plan } from './plan.ts';
import { graphOf } from './run-graph.ts';
import type { Decision, KeptSignal, RunFacts, StepState } from './run-state.ts';
import { graphStepOf, RunView } from './run-view.ts';
import { createScope, type Scope } from './step-scope.ts';
import { StepTable } from './step-table.ts';

/** A run's row, as far as the engine knows it. A new run has none but `id` and `input`. */
interface RunStart extends Partial<RunFacts> {
  id: string;
  input: Json;
  /** Oldest first. */
  signals?: readonly KeptSignal[];
}

/** A run as this process knows it, at one revision of its rows. */
export class RunModel extends RunView {
  /** The run as the decision, which was made on it as it is, leaves it. Costs as much as the decision changes. */
  apply({ steps, run, signals }: Decision): void {
    const { consumed, kept } = signals;
    this.refresh(
      steps.map(({ step }) => step),
      run,
      consumed.length + kept.length === 0
        ? this.kept
        : [...this.kept.filter(({ id }) => !consumed.includes(id)), ...kept],
    );
  }

  /** Takes over what another process has made of the run: the steps that it has changed, and the rest as it is now. */
  refresh(steps: Iterable<StepState>, facts: RunFacts, signals: readonly KeptSignal[]): void {
    for (const step of steps) this.table.put(step);
    this.facts = facts;
    this.kept = signals;
  }

  /** What the step's expressions may read. */
  scopeOf(key: string): Scope {
    return createScope(this, key);
  }

  /** The step's own fields with their expressions evaluated, for the one who runs it. Throws AppError `invalid_request`. */
  fieldsOf(key: string): Json {
    return graphStepOf(this.graph, key).planned.compiled.fields.evaluate(this.scopeOf(key));
  }
}

/** A run's model from its rows, in the order in which they came to be; without any, a run before `start`. */
export function createRunModel(plan: Plan, run: RunStart, rows: Iterable<StepState> = []): RunModel {
  const { id, input, status = 'queued', output, error = null, tokens = 0, signals = [] } = run;
  const table = new StepTable(graphOf(plan).compensables);
  const model = new RunModel({
    plan,
    id,
    input,
    table,
    facts: { status, output, error, tokens },
    kept: signals,
  });
  for (const row of rows) table.put(row);
  return model;
}
