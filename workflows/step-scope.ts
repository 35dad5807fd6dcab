// What the expressions of a step may read. Steps are looked up when an expression asks for them, so that a scope
// costs the same whatever the run holds.
import type { Json } from '../core/json-value.ts';
import type { RunGraph } from './run-graph.ts';
import type { StepState } from './run-state.ts';
import {
  bodyOf,
  compensatedBy,
  containerOf,
  indexOf,
  ON_FAILURE_BODY,
  ROOT_BODY,
  turnBody,
  withoutIndexes,
} from './step-key.ts';

export type Scope = Readonly<Record<string, unknown>>;

/** A run, as far as expressions may read it. */
export interface ScopeSource {
  id: string;
  input: Json;
  graph: RunGraph;
  step(key: string): StepState | undefined;
  /** The list that a map goes over. */
  itemsOf(map: string): readonly Json[];
  /** The output of a body's last step. */
  outputOf(body: string): Json;
}

/** The scope of the step's own expressions; `reads` names the steps that they refer to. */
export function createScope(source: ScopeSource, key: string): Scope {
  const reads = source.graph.steps.get(withoutIndexes(key))?.reads ?? [];
  return scopeIn(source, bodyOf(key), reads);
}

/** The scope of a loop's `until`, when its turn has ended. */
export function createUntilScope(source: ScopeSource, loop: string, turn: number): Scope {
  const output = source.outputOf(turnBody(loop, turn));
  return { ...createScope(source, loop), loop: { index: turn, output } };
}

/** The scope of an expression that stands in the body; `reads` names no step twice. */
export function scopeIn(source: ScopeSource, body: string, reads: Iterable<string>): Scope {
  const steps = {};
  for (const id of reads) {
    const get = () => recordOf(source.step(visibleFrom(source.graph, body, id)));
    Object.defineProperty(steps, id, { get, enumerable: true });
  }
  return { input: source.input, run: { id: source.id }, steps, ...innermost(source, body) };
}

function recordOf(step: StepState | undefined): Json {
  const error = step?.error ? { code: step.error.code, message: step.error.message } : null;
  return { output: step?.output ?? null, status: step?.status ?? 'pending', error };
}

/** The key that the id has for a step in `body`: its own siblings first, then those of what it stands in. */
function visibleFrom(graph: RunGraph, body: string, id: string): string {
  for (let at: string | null = body; at !== null; at = outside(at)) {
    if (graph.steps.has(withoutIndexes(at) + id)) return at + id;
  }
  return id;
}

function outside(body: string): string | null {
  const container = containerOf(body);
  if (container !== null) return bodyOf(container);
  if (body === ROOT_BODY) return null;
  if (body === ON_FAILURE_BODY) return ROOT_BODY;
  return bodyOf(compensatedBy(body.slice(0, -1)));
}

/** `item` and `index` of the nearest map, `loop` of the nearest loop. */
function innermost(source: ScopeSource, body: string): Record<string, unknown> {
  const names: Record<string, unknown> = {};
  for (let at: string | null = body; at !== null && !isWhole(names); at = outside(at)) {
    const index = indexOf(at);
    const container = containerOf(at);
    if (index === null || container === null) continue;
    const isItem = at.endsWith(']/');
    if (isItem && !('item' in names))
      Object.assign(names, { item: source.itemsOf(container)[index] ?? null, index });
    if (!isItem && !('loop' in names)) names.loop = { index, output: turnBefore(source, container, index) };
  }
  return names;
}

const isWhole = (names: Record<string, unknown>) => 'item' in names && 'loop' in names;

const turnBefore = (source: ScopeSource, loop: string, index: number): Json =>
  index === 0 ? null : source.outputOf(turnBody(loop, index - 1));
