import { AppError } from '../core/errors.ts';
import type { Json } from '../core/json-value.ts';
import { type Compiled, compileCel } from './cel.ts';
import { memberPath } from './json-path.ts';
import { createMeter, type Meter } from './meter.ts';
import { excessOf, sizeText } from './output-limit.ts';
import type { Problem } from './problem.ts';
import type { StepReference } from './step-reference.ts';
import { splitText, type TextPart } from './template-text.ts';

export interface CompiledTemplate {
  /** The value with every expression evaluated, within one budget. Throws AppError `invalid_request`. Parts without
   *  expressions are the template's own objects: do not change them. */
  evaluate(scope: Readonly<Record<string, unknown>>, meter?: Meter): Json;
  references: readonly StepReference[];
}

/** How the expressions of a template are compiled, and where what is wrong with them is put. */
interface TemplateContext {
  scopeNames: readonly string[];
  problems: Problem[];
  compile: typeof compileCel;
  /** Told of each step that an expression reads, with the expression's path. */
  note?: (reference: StepReference, path: string) => void;
}

interface TemplateReading extends TemplateContext {
  references: StepReference[];
}

type Scope = Readonly<Record<string, unknown>>;
type Evaluate = (scope: Scope, meter: Meter) => Json;

/**
 * Compiles any JSON whose strings may hold `${{ cel }}`: a string that is one expression becomes its typed value, else
 * the value is put into the text, what is not a string as JSON. Throws AppError `invalid_request` for the first
 * expression that is wrong, with its JSON path in `param`.
 */
export function compileTemplate(json: Json, scopeNames: readonly string[]): CompiledTemplate {
  const problems: Problem[] = [];
  const template = readTemplate(json, '$', { scopeNames, problems, compile: compileCel });
  const [problem] = problems;
  if (problem) throw new AppError('invalid_request', problem.message, { param: problem.path });
  return template;
}

/** As compileTemplate, but everything that is wrong is added to the context's `problems`, under `path`. */
export function readTemplate(json: Json, path: string, context: TemplateContext): CompiledTemplate {
  const reading: TemplateReading = { ...context, references: [] };
  const evaluate = readValue(reading, json, path);
  if (evaluate === null) return { evaluate: () => json, references: [] };

  return {
    references: reading.references,
    evaluate(scope, meter = createMeter()) {
      const value = evaluate(scope, meter);
      const excess = excessOf(value);
      if (excess === null) return value;
      const [size, most] = [sizeText(excess.bytes), sizeText(excess.bytesMax)];
      throw new AppError(
        'invalid_request',
        `The result of \`${path}\` is ${size} of JSON, and may have ${most} (the setting limits.output_bytes).`,
      );
    },
  };
}

/** null: there is no expression in it. */
function readValue(reading: TemplateReading, value: Json, path: string): Evaluate | null {
  if (typeof value === 'string') return readString(reading, value, path);
  if (Array.isArray(value)) return readList(reading, value, path);
  if (typeof value === 'object' && value !== null) return readObject(reading, value, path);
  return null;
}

function readList(reading: TemplateReading, list: Json[], path: string): Evaluate | null {
  const items = list.map((item, index) => readValue(reading, item, memberPath(path, index)));
  if (items.every((item) => item === null)) return null;
  return (scope, meter) =>
    list.map((item, index) => {
      const evaluate = items[index];
      return evaluate ? evaluate(scope, meter) : item;
    });
}

function readObject(
  reading: TemplateReading,
  object: { [key: string]: Json },
  path: string,
): Evaluate | null {
  const entries = Object.entries(object).map(
    ([key, value]) => [key, value, readValue(reading, value, memberPath(path, key))] as const,
  );
  if (entries.every(([, , evaluate]) => evaluate === null)) return null;
  return (scope, meter) =>
    Object.fromEntries(
      entries.map(([key, value, evaluate]) => [key, evaluate === null ? value : evaluate(scope, meter)]),
    );
}

function readString(reading: TemplateReading, text: string, path: string): Evaluate | null {
  const parts = collect(reading, path, () => splitText(text)) ?? [];
  if (!parts.some((part) => 'source' in part)) return null;
  const compiled = parts.map((part) => readPart(reading, part, path));
  const [only] = compiled;
  if (compiled.length === 1 && typeof only === 'object') return (scope, meter) => only.evaluate(scope, meter);
  return (scope, meter) =>
    compiled.map((part) => (typeof part === 'string' ? part : toText(part.evaluate(scope, meter)))).join('');
}

function readPart(reading: TemplateReading, part: TextPart, path: string): string | Compiled {
  if ('text' in part) return part.text;
  const compiled = collect(reading, path, () => reading.compile(part.source, reading.scopeNames));
  if (compiled === null) return '';
  reading.references.push(...compiled.references);
  for (const reference of compiled.references) reading.note?.(reference, path);
  return compiled;
}

function collect<T>(reading: TemplateReading, path: string, read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    reading.problems.push({ path, message: error.message });
    return null;
  }
}

const toText = (value: Json) => (typeof value === 'string' ? value : JSON.stringify(value));
