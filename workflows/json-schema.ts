import { createRequire } from 'node:module';
import type { Ajv, ErrorObject, Options } from 'ajv';
import type { Ajv2020 } from 'ajv/dist/2020.js';
import { AppError } from '../core/errors.ts';
import { loadOnce } from '../core/load-once.ts';
import { canonicalJson } from './canonical-json.ts';
import { memberPath } from './json-path.ts';
import { createLinearRegex } from './linear-regex.ts';
import { countMembers, isPlainObject, memberUnits } from './member-counts.ts';
import { createMeter, type Meter } from './meter.ts';
import type { Problem } from './problem.ts';
import { guardSchema, MEMBERS_KEYWORD } from './schema-guard.ts';
import type { JsonSchema } from './step.ts';

/** What of `value` does not fit a schema; empty when it does. Throws AppError when checking takes too much work. */
export type JsonSchemaCheck = (value: unknown) => Problem[];

// The worst schemas found are stopped after 50 to 150 ms, before they are warm after up to 600. 50 000 small objects
// under a usual schema take 10 ms.
const BUDGET_UNITS = 1_000_000;
const PROBLEMS_MAX = 10;
/** Values so large that we stop at their first problem: all of them would be as many as there are members. */
const LARGE_CHARS = 100_000;

const require = createRequire(import.meta.url);
// 12 MB, for those that check schemas.
const draft7 = loadOnce(() => (require('ajv') as typeof import('ajv')).Ajv);
const draft2020 = loadOnce(() => (require('ajv/dist/2020.js') as typeof import('ajv/dist/2020.js')).Ajv2020);

/**
 * Compiles a caller's JSON Schema (2020-12, or draft 7 where `$schema` says so). Its patterns are RE2's, its formats are
 * notes, its lengths count UTF-16 units. Throws AppError `invalid_request` when it is none, or not safe to use.
 */
export function createJsonSchemaCheck(schema: JsonSchema): JsonSchemaCheck {
  const { check, problems } = readJsonSchema(schema, '$');
  if (check) return check;
  const [problem] = problems;
  throw new AppError('invalid_request', `The JSON Schema is wrong at ${problem?.path}: ${problem?.message}.`);
}

/** As createJsonSchemaCheck, but with everything that is wrong, under `path`. */
export function readJsonSchema(
  schema: JsonSchema,
  path: string,
): { check: JsonSchemaCheck | null; problems: Problem[] } {
  const isDraft7 = typeof schema.$schema === 'string' && schema.$schema.includes('draft-0');
  const guarded = guardSchema(schema, path);
  const problems = guarded.problems.length > 0 ? guarded.problems : findMistakes(schema, isDraft7, path);
  if (problems.length > 0) return { check: null, problems };
  const gauge = { meter: createMeter() };
  const create = (allErrors: boolean) =>
    createAjv(gauge, isDraft7, allErrors).compile(guarded.schema as object);
  try {
    const firstOf = create(false);
    let allOf: typeof firstOf | null = null;
    const check: JsonSchemaCheck = (value) => {
      gauge.meter = createMeter('schema', BUDGET_UNITS);
      if (firstOf(value)) return [];
      const first = toProblems(firstOf.errors);
      if (JSON.stringify(value).length > LARGE_CHARS) return first;
      allOf ??= create(true);
      return allOf(value) ? first : toProblems(allOf.errors);
    };
    return { check, problems: [] };
  } catch (error) {
    const message = error instanceof Error ? error.message.slice(0, 300) : 'cannot be compiled';
    return { check: null, problems: [{ path, message: `is no JSON Schema: ${message}` }] };
  }
}

// An instance of Ajv keeps what it has compiled for ever, so callers' schemas each get one of their own, without the
// schema of schemas, which takes 20 ms to compile. That one is compiled once.
let metaAjv: { draft7: Ajv; current: Ajv2020 } | null = null;

function findMistakes(schema: JsonSchema, isDraft7: boolean, path: string): Problem[] {
  const options = { strict: false, logger: false } as const;
  metaAjv ??= { draft7: new (draft7())(options), current: new (draft2020())(options) };
  const ajv = isDraft7 ? metaAjv.draft7 : metaAjv.current;
  const { $schema: _, ...rest } = schema;
  if (ajv.validateSchema(rest)) return [];
  return toProblems(ajv.errors, path).map((problem) => ({
    ...problem,
    message: `is no JSON Schema: it ${problem.message}`,
  }));
}

function createAjv(gauge: { meter: Meter }, isDraft7: boolean, allErrors: boolean): Ajv | Ajv2020 {
  const options: Options = {
    strict: false,
    logger: false,
    meta: false,
    validateSchema: false,
    validateFormats: false,
    unicode: false,
    // References that each refer twice to the next one would be written out 2ⁿ times.
    inlineRefs: false,
    allErrors,
    // Called before anything else of a subschema: type, which may end it, included.
    $comment: (units) => gauge.meter.spend(Number(units)),
    code: {
      optimize: false,
      regExp: Object.assign((pattern: string) => meteredRegex(pattern, gauge), { code: 'linear' }),
    },
  };
  const ajv = isDraft7 ? new (draft7())(options) : new (draft2020())(options);
  addMembersKeyword(ajv, gauge);
  // Ajv compares each item with each other one.
  ajv.removeKeyword('uniqueItems');
  ajv.addKeyword({
    keyword: 'uniqueItems',
    type: 'array',
    validate: (isWanted: boolean, items: unknown[]) => !isWanted || areUnique(items, gauge.meter),
    error: { message: 'must NOT have duplicate items' },
  });
  return ajv;
}

/** Comes before all keywords that look at objects, so that what they do is paid for. */
function addMembersKeyword(ajv: Ajv, gauge: { meter: Meter }): void {
  const first = ajv.RULES.rules.find(({ type }) => type === undefined)?.rules[0]?.keyword;
  ajv.addKeyword({
    keyword: MEMBERS_KEYWORD,
    before: first,
    validate: (walks: number, value: unknown) => {
      if (walks > 0 && isPlainObject(value)) gauge.meter.spend(walks * memberUnits(countMembers(value)));
      return true;
    },
  });
}

/** Ajv knows a pattern by its text, and asks `toString` for it. */
function meteredRegex(pattern: string, gauge: { meter: Meter }) {
  const regex = createLinearRegex(pattern, 'ecma');
  return {
    toString: () => pattern,
    test(text: string): boolean {
      gauge.meter.spend(10 + (text.length * regex.size) / 4);
      return regex.test(text);
    },
  };
}

function areUnique(items: unknown[], meter: Meter): boolean {
  const seen = new Set<string>();
  for (const item of items) {
    const text = canonicalJson(item);
    meter.spend(2 + text.length / 50);
    if (seen.has(text)) return false;
    seen.add(text);
  }
  return true;
}

function toProblems(errors: ErrorObject[] | null | undefined, root = '$'): Problem[] {
  const problems = (errors ?? []).map((error) => ({
    path: toPath(error.instancePath, root),
    message: toMessage(error),
  }));
  return problems.slice(0, PROBLEMS_MAX);
}

function toMessage({ message, params }: ErrorObject): string {
  const name = params.additionalProperty ?? params.unevaluatedProperty;
  if (typeof name === 'string') return `must not have "${name.slice(0, 100)}"`;
  if (Array.isArray(params.allowedValues))
    return `must be one of ${JSON.stringify(params.allowedValues).slice(0, 300)}`;
  return message ?? 'does not fit';
}

function toPath(pointer: string, root: string): string {
  return pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce((path, part) => memberPath(path, /^\d+$/.test(part) ? Number(part) : part), root);
}
