import { describe, expect, test } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { sampleJson } from '../../../servers/demo/json-sample.ts';

const text = { type: 'string' };
const object = (properties: object, more: object = {}) => ({
  type: 'object',
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
  ...more,
});

const SCHEMAS = [
  object({
    a: text,
    b: { type: 'number' },
    c: { type: 'boolean' },
    d: { type: 'null' },
    e: { enum: ['x', 'y'] },
  }),
  object({ list: { type: 'array', items: object({ id: { type: 'integer' } }), minItems: 3 } }),
  object({ long: { ...text, minLength: 40 }, short: { ...text, maxLength: 2 } }),
  object({
    a: { type: 'integer', exclusiveMinimum: 4 },
    b: { type: 'number', maximum: -3 },
    c: { type: 'integer', multipleOf: 7, minimum: 15 },
    d: { type: 'number', exclusiveMinimum: 0, exclusiveMaximum: 0.5 },
    e: { type: 'integer', exclusiveMaximum: -2 },
  }),
  object({
    id: { ...text, format: 'uuid' },
    at: { ...text, format: 'date-time' },
    mail: { ...text, format: 'email' },
  }),
  object({ item: { $ref: '#/$defs/Item' } }, { $defs: { Item: object({ name: text }) } }),
  object({ maybe: { anyOf: [{ type: 'null' }, text] }, either: { type: ['string', 'null'] } }),
  {
    allOf: [{ type: 'object', properties: { a: text }, required: ['a'] }, { $ref: '#/$defs/B' }],
    $defs: { B: { required: ['b'], properties: { b: { const: 7 } } } },
  },
  { type: 'array', prefixItems: [text, { type: 'integer' }], minItems: 2 },
  { type: 'object', properties: { left: text } },
];

describe('a sample', () => {
  test.each(SCHEMAS)('of %j is valid by it', (schema) => {
    const ajv = new Ajv2020({ strict: false });
    addFormats.default(ajv);
    const isValid = ajv.compile(schema);
    isValid(sampleJson(schema));
    expect(isValid.errors).toBeNull();
  });

  test('of a schema that contains itself ends', () => {
    const node = object({ left: { $ref: '#' }, right: { $ref: '#' } });
    expect(JSON.stringify(sampleJson(node)).length).toBeLessThan(200_000);
    expect(sampleJson({ $ref: '#' })).toBeNull();
  });

  test('of an endless list, a wrong reference or no schema at all is still a value', () => {
    expect(sampleJson({ type: 'array', minItems: 1e9, items: text })).toHaveLength(2_000);
    expect(sampleJson({ $ref: '#/$defs/None' })).toBe('demo');
    expect(sampleJson(undefined)).toBe('demo');
  });
});
