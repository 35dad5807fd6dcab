// The library evaluates by calling `node.evaluate(evaluator, node, context)`, and gives a node its final `evaluate`
// at the first call. We put our own in front of each, so that every step is charged and every value is seen.
// This leans on the inside of a library that is pinned; test/workflows/cel-limits.test.ts fails when it moves.
import { checkListSize, checkSize, costOf } from './cel-costs.ts';
import { COMPREHENSIONS } from './cel-functions.ts';
import { type CelCall, type CelNode, callOf, childrenOf } from './cel-nodes.ts';
import { countMembers, isPlainObject, memberUnits } from './member-counts.ts';
import type { Meter } from './meter.ts';

/** Where the meter of the evaluation that runs now is found. */
export interface Gauge {
  meter: Meter;
}

type Evaluate = (this: CelNode, evaluator: unknown, node: CelNode, context: unknown) => unknown;
type Evaluable = CelNode & { evaluate: Evaluate };

/** What is done with the value of a node before the node above it uses it. */
type Receive = (value: unknown) => void;

// An operator whose operands are of no known type looks for its overload each time.
const OPERATION_UNITS = 3;
const NODE_UNITS: Readonly<Record<string, number>> = { value: 0.5, id: 1, '.': 1.5 };
// Making an error, its stack and its marked line takes the library 10 µs, and more the further on it stands.
const ERROR_UNITS = 100;
const ITEM_UNITS = 2;
/**
 * How deep the first members of operands may be nested. The library keeps a type for each shape that it has met,
 * `list<map<string, list<double>>>`, in all environments and for ever.
 */
const SHAPE_DEPTH_MAX = 6;

/** Has `root` and every node below it charge the gauge's meter. */
export function meterNodes(root: CelNode, gauge: Gauge): void {
  meterNode(root, gauge, null);
}

function meterNode(node: CelNode, gauge: Gauge, receive: Receive | null): void {
  const operands = watchOperands(node, gauge);
  for (const [index, child] of childrenOf(node).entries()) {
    meterNode(child, gauge, operands.receivers[index] ?? null);
  }
  const target = node as Evaluable;
  const units = NODE_UNITS[node.op] ?? OPERATION_UNITS;
  const errorUnits = ERROR_UNITS + node.start / 10;
  let inner = target.evaluate;
  let isFinal = false;
  const metered: Evaluate = (evaluator, _node, context) => {
    gauge.meter.spend(units);
    operands.reset();
    const value = runCharged(gauge.meter, errorUnits, () => inner.call(node, evaluator, node, context));
    checkSize(gauge.meter, value);
    receive?.(value);
    return value;
  };
  Object.defineProperty(target, 'evaluate', {
    get() {
      // Right after it has set the final one the library calls it: within our call, so not through us again.
      const evaluate = isFinal ? inner : metered;
      isFinal = false;
      return evaluate;
    },
    set(evaluate: Evaluate) {
      inner = evaluate;
      isFinal = true;
    },
  });
}

function runCharged(meter: Meter, errorUnits: number, run: () => unknown): unknown {
  try {
    return run();
  } catch (error) {
    if (meter.failure === null) meter.spend(errorUnits);
    throw error;
  }
}

interface Operands {
  receivers: (Receive | null)[];
  /** An evaluation that was cut off by an error may have left some. */
  reset(): void;
}

/** Charges for the node's own work when the last of its operands is known: the library evaluates them in any order. */
function watchOperands(node: CelNode, gauge: Gauge): Operands {
  const call = callOf(node);
  if (call && COMPREHENSIONS.has(call.name)) return watchItems(call, gauge);
  const charge = costOf(node);
  const count = childrenOf(node).length;
  const values = new Array<unknown>(count);
  let missing = count;
  const shaped = shapedOperands(node, call, count);
  const reset = () => {
    missing = count;
    values.fill(undefined);
  };

  const receivers = Array.from({ length: count }, (_, index) => (value: unknown) => {
    if (index < shaped) checkShape(gauge.meter, value);
    if (charge === null) return;
    values[index] = value;
    missing -= 1;
    if (missing > 0) return;
    charge(gauge.meter, values);
    reset();
  });
  return { receivers, reset };
}

/** Of how many operands, from the first, the library asks the type. The others are passed on as they are. */
function shapedOperands(node: CelNode, call: CelCall | null, count: number): number {
  if (call) return ['bind', 'or', 'orValue'].includes(call.name) ? 0 : count;
  if (node.op === '?:') return 1;
  return ['list', 'map', '.', '.?', '[]', '[?]'].includes(node.op) ? 0 : count;
}

function watchItems({ name, args }: CelCall, gauge: Gauge): Operands {
  const bodies = args.map((_, index) => (value: unknown) => {
    gauge.meter.spend(ITEM_UNITS);
    const isPassedOn = name === 'map' && index === args.length - 1;
    if (!isPassedOn) checkShape(gauge.meter, value);
  });
  return { receivers: [(value) => checkIterable(gauge.meter, value), ...bodies], reset() {} };
}

function checkShape(meter: Meter, value: unknown): void {
  let at = value;
  for (let depth = 0; typeof at === 'object' && at !== null; depth += 1) {
    if (depth === SHAPE_DEPTH_MAX) {
      meter.fail(
        `Values nested deeper than ${SHAPE_DEPTH_MAX} levels cannot be compared or given to a function.`,
      );
    }
    at = firstMember(meter, at);
  }
}

/** The library looks for it in the same way, which takes as long as there are members. */
function firstMember(meter: Meter, value: object): unknown {
  if (Array.isArray(value)) return value[0];
  if (!isPlainObject(value)) return undefined;
  meter.spend(memberUnits(countMembers(value)));
  for (const key in value) return value[key];
  return undefined;
}

/** What a comprehension goes over: of an object, its keys. */
function checkIterable(meter: Meter, value: unknown): void {
  if (!isPlainObject(value)) return;
  const count = countMembers(value);
  meter.spend(memberUnits(count));
  checkListSize(meter, count);
}
