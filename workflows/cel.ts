// Expressions in CEL, and the only place that knows the library for them.
// I1: evaluating is synchronous, ends within the meter's budget and does not depend on clock, locale or randomness.
// I2: whatever is wrong, with the text or with the values, is an AppError `invalid_request`.
// I3: no native regular expression sees a caller's text: `matches` is RE2, and `duration` takes short texts only.
// I4: numbers of JSON and whole numbers of CEL mix freely; what comes out is JSON.
import {
  TypeError as CelTypeError,
  Environment,
  EvaluationError,
  Optional,
  ParseError,
  type ParseResult,
} from '@marcbachmann/cel-js';
import { Duration, UnsignedInt } from '@marcbachmann/cel-js/evaluator';
import { AppError } from '../core/errors.ts';
import type { Json } from '../core/json-value.ts';
import { analyseCel } from './cel-analysis.ts';
import { type Gauge, meterNodes } from './cel-metering.ts';
import { type CelNode, callOf, childrenOf, LOOP_ALIAS } from './cel-nodes.ts';
import { toJson } from './cel-output.ts';
import { createLinearRegex } from './linear-regex.ts';
import { createMeter, type Meter } from './meter.ts';
import { createRegexMemory } from './regex-memory.ts';
import type { StepReference } from './step-reference.ts';

export interface Compiled {
  /** The value as JSON. Throws AppError `invalid_request`. With a meter, several evaluations share one budget. */
  evaluate(scope: Readonly<Record<string, unknown>>, meter?: Meter): Json;
  references: readonly StepReference[];
}

interface CelOptions {
  /** `bool`: anything but true or false is an error, at once where the type is known, else when it is evaluated. */
  expects?: 'bool' | undefined;
}

const SOURCE_CHARS_MAX = 4_096;
const LIMITS = {
  maxAstNodes: 500,
  maxDepth: 32,
  maxListElements: 500,
  maxMapEntries: 250,
  maxCallArguments: 4,
};

/**
 * Compiles a CEL expression that may use the names in `scopeNames`. Throws AppError `invalid_request`, with the place
 * in the text, for what cannot be read, names that are not known, types that do not fit and anything beyond a cap.
 */
export function compileCel(
  source: string,
  scopeNames: readonly string[],
  options: CelOptions = {},
): Compiled {
  if (source.length > SOURCE_CHARS_MAX) {
    throw new AppError('invalid_request', `An expression has at most ${SOURCE_CHARS_MAX} characters.`);
  }
  const parsed = parse(source);
  const root: CelNode = parsed.ast;
  const { references, problems } = analyseCel(root, scopeNames);
  const [problem] = problems;
  if (problem) throw new AppError('invalid_request', locate(problem.message, problem.start, source));
  const gauge: Gauge = { meter: createMeter() };
  replaceMatches(root, source);
  checkTypes(parsed, source, options);
  meterNodes(root, gauge);

  return {
    references,
    evaluate(scope, meter = createMeter()) {
      const value = run(parsed, { source, scopeNames, scope, meter, gauge });
      if (options.expects === 'bool' && typeof value !== 'boolean') {
        throw new AppError('invalid_request', `The expression ${quote(source)} must give true or false.`);
      }
      return value;
    },
  };
}

const regexes = createRegexMemory();
let gaugeInUse: Gauge | null = null;

const environment = createEnvironment();

function createEnvironment(): Environment {
  const env = new Environment({
    // Which names there are, analyseCel says.
    unlistedVariablesAreDyn: true,
    homogeneousAggregateLiterals: false,
    enableOptionalTypes: true,
    limits: LIMITS,
  });
  const operators: Record<string, (left: number, right: number) => number> = {
    '+': (left, right) => left + right,
    '-': (left, right) => left - right,
    '*': (left, right) => left * right,
    '/': (left, right) => left / right,
    '%': (left, right) => left % right,
  };
  for (const [operator, apply] of Object.entries(operators)) {
    env.registerOperator(`double ${operator} int: double`, (left, right) => apply(left, Number(right)));
    env.registerOperator(`int ${operator} double: double`, (left, right) => apply(Number(left), right));
  }
  env.registerOperator('double % double: double', (left: number, right: number) => left % right);
  env.registerOperator('int == double: bool', (left: bigint, right: number) => Number(left) === right);
  env.registerFunction('string.matchesLinear(string): bool', (text: string, pattern: string) =>
    matches(text, pattern),
  );
  return env;
}

function matches(text: string, pattern: string): boolean {
  const meter = gaugeInUse?.meter ?? createMeter();
  return regexes.get(pattern, meter).test(text, meter);
}

/** The library's own `matches` runs native regular expressions, and a function of its cannot be replaced. */
function replaceMatches(node: CelNode, source: string): void {
  const call = callOf(node);
  if (call?.name === 'matches' && Array.isArray(node.args)) {
    node.args[0] = 'matchesLinear';
    const [pattern] = call.args;
    if (pattern?.op === 'value' && typeof pattern.args === 'string') checkPattern(pattern.args, source);
  }
  for (const child of childrenOf(node)) replaceMatches(child, source);
}

function checkPattern(pattern: string, source: string): void {
  try {
    createLinearRegex(pattern);
  } catch (error) {
    throw toAppError(error, source);
  }
}

// CEL reserves the word `loop`. The parser says where it stands, and there a name of the same length takes its place.
function parse(source: string): ParseResult {
  let text = source;
  for (;;) {
    try {
      return environment.parse(text);
    } catch (error) {
      const start = error instanceof ParseError ? (error.range?.start ?? -1) : -1;
      if (!isReservedLoop(error) || text.slice(start, start + 4) !== 'loop') throw toAppError(error, source);
      text = text.slice(0, start) + LOOP_ALIAS + text.slice(start + 4);
    }
  }
}

const isReservedLoop = (error: unknown) =>
  error instanceof ParseError && error.code === 'reserved_identifier' && error.summary.endsWith(' loop');

function checkTypes(parsed: ParseResult, source: string, { expects }: CelOptions): void {
  const { valid, type, error } = parsed.check();
  if (!valid) throw toAppError(error, source);
  if (expects === 'bool' && type !== 'bool' && type !== 'dyn') {
    throw new AppError(
      'invalid_request',
      `The expression ${quote(source)} must give true or false; this is of type ${type}.`,
    );
  }
}

interface Evaluation {
  source: string;
  scopeNames: readonly string[];
  scope: Readonly<Record<string, unknown>>;
  meter: Meter;
  gauge: Gauge;
}

function run(parsed: ParseResult, { source, scopeNames, scope, meter, gauge }: Evaluation): Json {
  // A copy that is emptied afterwards: the library keeps the context of a comprehension in the parsed expression.
  const context: Record<string, unknown> = {};
  for (const name of scopeNames) context[name === 'loop' ? LOOP_ALIAS : name] = scope[name];
  gauge.meter = meter;
  gaugeInUse = gauge;
  try {
    const value = toJson(parsed(context), meter, { toPlain });
    if (meter.failure === null) return value;
    throw meter.failure;
  } catch (error) {
    throw toAppError(meter.failure ?? error, source);
  } finally {
    gaugeInUse = null;
    for (const name of Object.keys(context)) context[name] = undefined;
  }
}

function toPlain(value: object): unknown {
  if (value instanceof Optional) return value.hasValue() ? value.value() : null;
  if (value instanceof UnsignedInt) return value.valueOf();
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Duration) return value.toString();
  return undefined;
}

function toAppError(error: unknown, source: string): AppError {
  if (error instanceof AppError) {
    return new AppError('invalid_request', `${error.message} In ${quote(source)}.`);
  }
  if (error instanceof ParseError || error instanceof CelTypeError || error instanceof EvaluationError) {
    const summary = error.summary.slice(0, 300).replaceAll('matchesLinear', 'matches');
    return new AppError('invalid_request', locate(summary, error.range?.start ?? 0, source));
  }
  return new AppError('invalid_request', `The expression ${quote(source)} cannot be evaluated.`, {
    cause: error,
  });
}

function locate(message: string, start: number, source: string): string {
  return `${message}, at character ${start + 1} of ${quote(source)}`;
}

const quote = (source: string) => `\`${source.length > 120 ? `${source.slice(0, 120)}…` : source}\``;
