import { type Fields, isFields } from './body-fields.ts';

const DEPTH_MAX = 16;
const VALUES_MAX = 2_000;
const CHARS_MAX = 1_000;
const TEXT = 'demo';
const TEXT_BY_FORMAT: Record<string, string> = {
  'date-time': '2025-01-01T00:00:00Z',
  date: '2025-01-01',
  time: '00:00:00Z',
  duration: 'PT1S',
  email: 'demo@example.com',
  hostname: 'example.com',
  ipv4: '192.0.2.1',
  ipv6: '2001:db8::1',
  uri: 'https://example.com/',
  uuid: '00000000-0000-4000-8000-000000000000',
};

interface Walk {
  root: unknown;
  depth: number;
  /** Shared by the whole walk: what may still be made. */
  budget: { values: number };
}

/**
 * The smallest value that `schema` (JSON Schema) allows: required properties only, and the same each time. Does not
 * try `pattern`, `not` and conditions; beyond 16 levels or 2 000 values it answers null.
 */
export function sampleJson(schema: unknown): unknown {
  return sample(schema, { root: schema, depth: 0, budget: { values: VALUES_MAX } });
}

function sample(schema: unknown, walk: Walk): unknown {
  walk.budget.values -= 1;
  if (walk.depth > DEPTH_MAX || walk.budget.values < 0) return null;
  const deeper = { ...walk, depth: walk.depth + 1 };
  if (!isFields(schema)) return TEXT;
  if (typeof schema.$ref === 'string') return sample(resolve(schema.$ref, walk.root), deeper);
  if ('const' in schema) return schema.const;
  if (Array.isArray(schema.enum) && schema.enum.length > 0) return schema.enum[0];
  if (Array.isArray(schema.allOf)) return sample(merge(schema, schema.allOf, walk.root), deeper);
  const [variant] = [schema.anyOf, schema.oneOf].find(Array.isArray) ?? [];
  if (variant !== undefined) return sample(merge(schema, [variant], walk.root), deeper);
  return SAMPLES[typeOf(schema)](schema, deeper);
}

type SampleType = 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean' | 'null';

const SAMPLES: Record<SampleType, (schema: Fields, walk: Walk) => unknown> = {
  object: sampleObject,
  array: (schema, walk) => {
    const tuple = Array.isArray(schema.prefixItems) ? schema.prefixItems : [];
    const length = Math.min(numberOf(schema.minItems) ?? 0, VALUES_MAX);
    return Array.from({ length }, (_, at) => sample(tuple[at] ?? schema.items, walk));
  },
  string: (schema) => {
    const text = TEXT_BY_FORMAT[String(schema.format)] ?? TEXT;
    const lengthMin = Math.min(numberOf(schema.minLength) ?? 0, CHARS_MAX);
    return text.padEnd(lengthMin, '.').slice(0, numberOf(schema.maxLength) ?? undefined);
  },
  integer: (schema) => sampleNumber(schema, 1),
  number: (schema) => sampleNumber(schema, 0),
  boolean: () => true,
  null: () => null,
};

function typeOf(schema: Fields): SampleType {
  const type: unknown = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  if (typeof type === 'string' && Object.hasOwn(SAMPLES, type)) return type as SampleType;
  if ('properties' in schema || 'required' in schema) return 'object';
  return 'items' in schema || 'prefixItems' in schema ? 'array' : 'string';
}

function sampleObject(schema: Fields, walk: Walk): Fields {
  const properties = isFields(schema.properties) ? schema.properties : {};
  const required = Array.isArray(schema.required) ? schema.required.slice(0, VALUES_MAX) : [];
  return Object.fromEntries(
    required.map((name: unknown) => [String(name), sample(properties[String(name)], walk)]),
  );
}

/** The multiple of `step` (or of `multipleOf`) nearest above the lower bound, else below the upper, else 0 or 1. */
function sampleNumber(schema: Fields, wholeStep: number): number {
  const step = numberOf(schema.multipleOf) ?? wholeStep;
  const lowest = numberOf(schema.minimum);
  const above = numberOf(schema.exclusiveMinimum);
  const highest = numberOf(schema.maximum);
  const below = numberOf(schema.exclusiveMaximum);
  const gap = step || halfGap(above, highest ?? below) || 1;
  if (lowest !== undefined) return step === 0 ? lowest : Math.ceil(lowest / step) * step;
  if (above !== undefined) return step === 0 ? above + gap : (Math.floor(above / step) + 1) * step;
  const usual = step || 1;
  if ((highest ?? usual) >= usual && (below ?? Number.POSITIVE_INFINITY) > usual) return usual;
  if (highest !== undefined) return step === 0 ? highest : Math.floor(highest / step) * step;
  return step === 0 ? (below ?? 0) - 1 : (Math.ceil((below ?? 0) / step) - 1) * step;
}

function halfGap(from: number | undefined, to: number | undefined): number {
  return from === undefined || to === undefined ? 0 : (to - from) / 2;
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

/** `schema` with what `parts` add; their properties and requirements are joined. */
function merge(schema: Fields, parts: unknown[], root: unknown): Fields {
  const { allOf: _, anyOf: __, oneOf: ___, ...own } = schema;
  let merged: Fields = own;
  for (const part of parts) {
    const added = isFields(part) && typeof part.$ref === 'string' ? resolve(part.$ref, root) : part;
    if (!isFields(added)) continue;
    merged = {
      ...merged,
      ...added,
      properties: { ...asFields(merged.properties), ...asFields(added.properties) },
      required: [...asList(merged.required), ...asList(added.required)],
    };
    if (Object.keys(asFields(merged.properties)).length === 0) delete merged.properties;
    if (asList(merged.required).length === 0) delete merged.required;
  }
  return merged;
}

function asFields(value: unknown): Fields {
  return isFields(value) ? value : {};
}

function asList(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

/** A reference into the same document, such as `#/$defs/Address`; undefined when it leads nowhere. */
function resolve(reference: string, root: unknown): unknown {
  if (!reference.startsWith('#')) return undefined;
  const steps = reference
    .slice(1)
    .split('/')
    .filter((step) => step !== '');
  return steps.reduce<unknown>((value, step) => {
    const name = step.replaceAll('~1', '/').replaceAll('~0', '~');
    if (Array.isArray(value)) return value[Number(name)];
    return isFields(value) && Object.hasOwn(value, name) ? value[name] : undefined;
  }, root);
}
