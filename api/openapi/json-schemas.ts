import { z } from 'zod';

export type JsonSchema = Record<string, unknown>;

const REFERENCE = '#/components/schemas/';

/**
 * JSON Schemas of what requests are parsed with and answers look like, each as its sender writes it. `named` are referred to
 * by their names; the schema of any other, which no schema may contain, is asked of `schemaOf`.
 */
export function createJsonSchemas(named: Record<string, z.ZodType>, others: readonly z.ZodType[]) {
  const registry = z.registry<{ id: string }>();
  const ids = new Map<z.ZodType, string>();
  for (const [name, schema] of Object.entries(named)) add(schema, name);
  for (const [index, schema] of others.entries()) add(schema, `unnamed/${index}`);
  const { schemas } = z.toJSONSchema(registry, {
    target: 'draft-2020-12',
    io: 'input',
    // What only code can check is any value here, unless its `meta` says more.
    unrepresentable: 'any',
    uri: (id) => REFERENCE + id,
    override: ({ jsonSchema }) => tidy(jsonSchema),
  });

  return {
    components: Object.fromEntries(Object.keys(named).map((name) => [name, bare(schemas[name])])),
    schemaOf(schema: z.ZodType): JsonSchema {
      const id = ids.get(schema) ?? '';
      return Object.hasOwn(named, id) ? { $ref: REFERENCE + id } : bare(schemas[id]);
    },
  };

  function add(schema: z.ZodType, id: string): void {
    if (ids.has(schema)) return;
    ids.set(schema, id);
    registry.add(schema, { id });
  }
}

/** Takes away what says nothing further, and a text's pattern where `meta` has made it a number. */
function tidy(schema: JsonSchema): void {
  if (schema.format !== undefined || schema.type === 'integer') delete schema.pattern;
  if (schema.type === 'object') delete schema.propertyNames;
  if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum;
}

function bare(schema: object | undefined): JsonSchema {
  const { $schema: _dialect, $id: _id, ...rest } = (schema ?? {}) as JsonSchema;
  return rest;
}
