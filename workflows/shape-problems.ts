import type { z } from 'zod';
import { nearestName } from '../core/nearest-name.ts';
import { DEFINITION_FIELDS } from './definition.ts';
import { memberPath } from './json-path.ts';
import type { Problem } from './problem.ts';
import { type DefinedType, fieldNamesOf, STEP_TYPES } from './step.ts';

const ISSUES_MAX = 100;
const NAME_CHARS_MAX = 64;
/** Of unknown fields of one object. */
const KEYS_MAX = 20;

/** What a schema found wrong with `json`, in words for its author. */
export function toProblems(error: z.ZodError, json: unknown): Problem[] {
  return error.issues.slice(0, ISSUES_MAX).flatMap((issue) => describe(issue, json));
}

function describe(issue: z.core.$ZodIssue, json: unknown): Problem[] {
  const path = toPath(issue.path);
  const value = valueAt(json, issue.path);
  if (issue.code === 'unrecognized_keys') {
    const fields = fieldsAt(issue.path, value);
    return issue.keys
      .slice(0, KEYS_MAX)
      .map((key) => ({ path: memberPath(path, key), message: unknownField(key, fields) }));
  }
  if (issue.code === 'invalid_union' && 'discriminator' in issue)
    return [{ path, message: unknownType(value) }];
  if (value === undefined) return [{ path, message: 'is required' }];
  return [
    { path, message: issue.message.replace(/^Invalid input: /, '').replace(/^Too (?:big|small): /, '') },
  ];
}

function unknownField(key: string, fields: readonly string[]): string {
  const name = key.slice(0, NAME_CHARS_MAX);
  const nearest = nearestName(name, fields);
  return `"${name}" is not known here${nearest === null ? '' : `; did you mean "${nearest}"?`}`;
}

function unknownType(type: unknown): string {
  if (typeof type !== 'string') return `takes a step type: ${STEP_TYPES.join(', ')}`;
  const name = type.slice(0, NAME_CHARS_MAX);
  const nearest = nearestName(name, STEP_TYPES);
  const hint = nearest === null ? `there are ${STEP_TYPES.join(', ')}` : `did you mean "${nearest}"?`;
  return `there is no step type "${name}"; ${hint}`;
}

/** The names that the object at this path takes, as far as they are worth suggesting. */
function fieldsAt(path: readonly PropertyKey[], value: unknown): readonly string[] {
  if (path.length === 0) return DEFINITION_FIELDS;
  const type = isObject(value) ? value.type : undefined;
  if (STEP_TYPES.includes(type as DefinedType)) return fieldNamesOf(type as DefinedType);
  return FIELDS_OF_PARTS[String(path.at(-1))] ?? [];
}

const FIELDS_OF_PARTS: Readonly<Record<string, readonly string[]>> = {
  retry: ['max', 'backoff', 'delay', 'max_delay', 'on'],
  output: ['schema'],
  cache: ['key', 'ttl'],
  concurrency: ['key', 'limit'],
  budget: ['tokens', 'on_exceed'],
};

function toPath(parts: readonly PropertyKey[]): string {
  return parts.reduce<string>(
    (path, part) => memberPath(path, typeof part === 'number' ? part : String(part)),
    '$',
  );
}

function valueAt(json: unknown, path: readonly PropertyKey[]): unknown {
  let value = json;
  for (const part of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<PropertyKey, unknown>)[part];
  }
  return value;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;
