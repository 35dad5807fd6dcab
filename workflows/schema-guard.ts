import type { Json } from '../core/json-value.ts';
import { memberPath } from './json-path.ts';
import type { Problem } from './problem.ts';

/** A caller's JSON Schema, made safe to compile. */
interface GuardedSchema {
  schema: Json;
  problems: Problem[];
}

/** The keyword that says how many times a subschema goes over all members of an object. */
export const MEMBERS_KEYWORD = 'x-citadel-members';

const SCHEMA_CHARS_MAX = 65_536;
const DEPTH_MAX = 32;
// Compiling takes about half a millisecond for each.
const SUBSCHEMAS_MAX = 1_000;
const ONE = [
  ...[
    'additionalItems',
    'additionalProperties',
    'contains',
    'else',
    'if',
    'items',
    'not',
    'propertyNames',
    'then',
  ],
  ...['unevaluatedItems', 'unevaluatedProperties'],
];
const MANY = ['allOf', 'anyOf', 'items', 'oneOf', 'prefixItems'];
const NAMED = ['$defs', 'definitions', 'dependencies', 'dependentSchemas', 'patternProperties', 'properties'];
const OVER_MEMBERS = [
  ...[
    'additionalProperties',
    'const',
    'maxProperties',
    'minProperties',
    'propertyNames',
    'unevaluatedProperties',
  ],
];
// What gives a schema a name beyond itself, or looks one up by such a name.
const REFUSED = [
  '$anchor',
  '$dynamicAnchor',
  '$dynamicRef',
  '$recursiveAnchor',
  '$recursiveRef',
  '$vocabulary',
];

interface Walk {
  problems: Problem[];
  /** JSON pointers of all subschemas, and those that `$ref`s point to with where they stand. */
  seen: Set<string>;
  references: { pointer: string; path: string }[];
}

/**
 * A copy of `schema` in which `$comment` of every subschema is what applying it once costs, in a
 * meter's units. Refused: more than 64 KiB or 32 levels, and
 * references to anything but a subschema of the same schema. Paths in problems begin with `path`.
 */
export function guardSchema(schema: Json, path: string): GuardedSchema {
  const problems: Problem[] = [];
  if (JSON.stringify(schema).length > SCHEMA_CHARS_MAX) {
    problems.push({ path, message: `a JSON Schema has at most ${SCHEMA_CHARS_MAX} characters` });
    return { schema: true, problems };
  }
  const walk: Walk = { problems, seen: new Set(), references: [] };
  const guarded = guard(walk, { schema, path, pointer: '#', depth: 0 });
  if (walk.seen.size > SUBSCHEMAS_MAX) {
    problems.push({ path, message: `a JSON Schema has at most ${SUBSCHEMAS_MAX} subschemas` });
  }
  for (const { pointer, path: at } of walk.references) {
    if (!walk.seen.has(pointer)) {
      problems.push({ path: at, message: `"${pointer.slice(0, 100)}" is no subschema of this schema` });
    }
  }
  return { schema: guarded, problems };
}

interface Place {
  schema: Json;
  path: string;
  pointer: string;
  depth: number;
}

function guard(walk: Walk, place: Place): Json {
  const { schema, path, pointer, depth } = place;
  walk.seen.add(pointer);
  if (!isObject(schema)) return schema;
  if (depth === DEPTH_MAX) {
    walk.problems.push({ path, message: `a JSON Schema is at most ${DEPTH_MAX} levels deep` });
    return true;
  }
  const entries = Object.entries(schema).filter(
    ([key]) => key !== '$schema' && !(key === '$id' && depth === 0),
  );
  const guarded = entries.map(([key, value]) => {
    checkKeyword(walk, key, value, memberPath(path, key));
    return [key, guardMember(walk, { ...place, schema: value }, key)] as const;
  });
  return Object.fromEntries([
    ...guarded,
    ['$comment', String(workOf(schema))],
    [MEMBERS_KEYWORD, walksOverMembers(schema)],
  ]);
}

function checkKeyword(walk: Walk, key: string, value: Json, path: string): void {
  if (REFUSED.includes(key) || key === '$id') {
    walk.problems.push({ path, message: `"${key}" is not taken here; use "$ref" with "#/$defs/<name>"` });
  }
  if (key !== '$ref') return;
  const pointer = typeof value === 'string' ? readPointer(value) : null;
  if (pointer === null) {
    walk.problems.push({
      path,
      message: 'refers to another document; only "#/$defs/<name>" and the like are',
    });
  } else {
    walk.references.push({ pointer, path });
  }
}

/** `place.schema` is the value of the keyword `key` in the schema at `place`. */
function guardMember(walk: Walk, place: Place, key: string): Json {
  const { schema: value, path } = place;
  const below = (schema: Json, ...keys: (string | number)[]) =>
    guard(walk, {
      schema,
      path: keys.reduce(memberPath, memberPath(path, key)),
      pointer: [place.pointer, key, ...keys].join('/'),
      depth: place.depth + 1,
    });
  if (Array.isArray(value)) {
    return MANY.includes(key) ? value.map((item, index) => below(item, index)) : value;
  }
  if (ONE.includes(key)) return below(value);
  if (!NAMED.includes(key) || !isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [name, Array.isArray(item) ? item : below(item, name)]),
  );
}

// Keywords that look at many members or values at once cost more than one step.
function workOf(schema: { [key: string]: Json }): number {
  let work = 4;
  for (const value of Object.values(schema)) {
    if (Array.isArray(value)) work += value.length / 10;
    else if (isObject(value)) work += Object.keys(value).length / 10;
  }
  return work;
}

function walksOverMembers(schema: { [key: string]: Json }): number {
  let walks = Object.keys(schema).filter((key) => OVER_MEMBERS.includes(key)).length;
  if (isObject(schema.patternProperties)) walks += Object.keys(schema.patternProperties).length;
  // Two objects are compared by the numbers of their members first.
  if (Array.isArray(schema.enum)) walks += schema.enum.filter(isObject).length;
  return walks;
}

/** A reference within the schema in the form in which subschemas are noted, without its escapes. */
function readPointer(reference: string): string | null {
  if (reference !== '#' && !reference.startsWith('#/')) return null;
  try {
    return decodeURIComponent(reference).replaceAll('~1', '/').replaceAll('~0', '~');
  } catch {
    return null;
  }
}

const isObject = (value: Json | undefined): value is { [key: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
