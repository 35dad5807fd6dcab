import { describe, expect, test } from '@jest/globals';
import { createJsonSchemaCheck } from '../../workflows/json-schema.ts';
import { expectWithin, inTime } from '../support/in-time.ts';

const PERSON = {
  type: 'object',
  properties: { name: { type: 'string', minLength: 1 }, age: { type: 'integer' }, tags: { type: 'array' } },
  required: ['name'],
  additionalProperties: false,
};

const invalid = (message: string) =>
  expect.objectContaining({ code: 'invalid_request', message: expect.stringContaining(message) });

describe('a JSON Schema', () => {
  test('finds nothing in what fits', () => {
    expect(createJsonSchemaCheck(PERSON)({ name: 'Ann', age: 3, tags: [] })).toEqual([]);
  });

  test('names everything that does not fit, with its path', () => {
    expect(createJsonSchemaCheck(PERSON)({ name: '', age: 1.5, extra: 1 })).toEqual([
      { path: '$', message: 'must not have "extra"' },
      { path: '$.name', message: 'must NOT have fewer than 1 characters' },
      { path: '$.age', message: 'must be integer' },
    ]);
  });

  test('says which values it takes', () => {
    const check = createJsonSchemaCheck({ properties: { kind: { enum: ['a', 'b'] } } });

    expect(check({ kind: 'c' })).toEqual([{ path: '$.kind', message: 'must be one of ["a","b"]' }]);
  });

  test('names one problem of a large value, not as many as it has members', () => {
    const check = createJsonSchemaCheck({ type: 'array', items: { type: 'string' } });

    expect(check(Array.from({ length: 50_000 }, () => 1))).toEqual([
      { path: '$[0]', message: 'must be string' },
    ]);
  });

  test('of draft 7 is read as draft 7, others as 2020-12', () => {
    const tuple = [{ type: 'string' }, { type: 'number' }];
    const draft7 = createJsonSchemaCheck({
      $schema: 'http://json-schema.org/draft-07/schema#',
      items: tuple,
    });
    const current = createJsonSchemaCheck({ prefixItems: tuple });

    expect([draft7(['a', 1]), current(['a', 1])]).toEqual([[], []]);
    expect([draft7([1]), current([1])]).toEqual([
      [{ path: '$[0]', message: 'must be string' }],
      [{ path: '$[0]', message: 'must be string' }],
    ]);
  });

  test('may refer to its own parts, itself included', () => {
    const check = createJsonSchemaCheck({
      $id: 'https://example.com/tree',
      $ref: '#/$defs/node~1a',
      $defs: { 'node/a': { properties: { children: { items: { $ref: '#' } } }, required: ['id'] } },
    });

    expect(check({ id: 1, children: [{ id: 2, children: [] }] })).toEqual([]);
    expect(check({ id: 1, children: [{}] })).toEqual([
      { path: '$.children[0]', message: "must have required property 'id'" },
    ]);
  });

  test('finds equal items whatever the order of their members', () => {
    const check = createJsonSchemaCheck({ uniqueItems: true });

    expect(check([{ a: 1, b: 2 }, { a: 1 }])).toEqual([]);
    expect(check([{ a: 1, b: 2 }, 3, { b: 2, a: 1 }])).toEqual([
      { path: '$', message: 'must NOT have duplicate items' },
    ]);
  });

  test('tells two patterns apart', () => {
    const check = createJsonSchemaCheck({
      properties: { a: { pattern: '^a+$' }, b: { pattern: '^b+$' } },
      patternProperties: { '^x-': { type: 'number' } },
    });

    expect(check({ a: 'aa', b: 'bb', 'x-1': 1 })).toEqual([]);
    expect(check({ a: 'b', b: 'bb', 'x-1': '1' })).toEqual([
      { path: '$.a', message: 'must match pattern "^a+$"' },
      { path: '$.x-1', message: 'must be number' },
    ]);
  });

  test.each<[string, Record<string, unknown>, string]>([
    ['a wrong keyword', { type: 'strin' }, 'is no JSON Schema'],
    ['a remote reference', { $ref: 'https://example.com/schema' }, 'refers to another document'],
    ['a reference to nowhere', { $ref: '#/$defs/none' }, 'is no subschema'],
    ['a reference to what is no subschema', { 'x-a': { type: 'string' }, $ref: '#/x-a' }, 'is no subschema'],
    ['a name of its own inside', { properties: { a: { $id: 'b' } } }, '"$id" is not taken'],
    ['a dynamic reference', { $dynamicRef: '#a' }, '"$dynamicRef" is not taken'],
    ['a pattern that RE2 does not know', { pattern: '(?=a)' }, 'RE2'],
    ['1 000 subschemas', { allOf: Array.from({ length: 1_000 }, () => true) }, 'at most 1000 subschemas'],
    ['64 KiB', { description: 'x'.repeat(65_536) }, 'at most 65536 characters'],
  ])('with %s is refused', (_what, schema, message) => {
    expect(() => createJsonSchemaCheck(schema as never)).toThrow(invalid(message));
  });

  test('deeper than 32 levels is refused', () => {
    let schema: Record<string, unknown> = {};
    for (let depth = 0; depth < 33; depth += 1) schema = { not: schema };

    expect(() => createJsonSchemaCheck(schema as never)).toThrow(invalid('32 levels'));
  });
});

describe('a JSON Schema that would take for ever', () => {
  const doubling = Object.fromEntries(
    Array.from({ length: 60 }, (_, index) => [
      `d${index}`,
      index === 59
        ? { const: 1 }
        : { anyOf: [{ $ref: `#/$defs/d${index + 1}` }, { $ref: `#/$defs/d${index + 1}` }] },
    ]),
  );
  const tree = { $ref: '#' };
  const nested = Array.from({ length: 60 }).reduce<unknown>((value) => ({ c: value }), 1);
  const text = 'a'.repeat(1_000_000);
  const keyed = Object.fromEntries(Array.from({ length: 100_000 }, (_, index) => [`k${index}`, index]));

  test.each<[string, Record<string, unknown>, unknown]>([
    ['references that double', { $ref: '#/$defs/d0', $defs: doubling }, 0],
    [
      'recursion that doubles',
      { type: 'object', anyOf: [{ properties: { c: tree } }, { properties: { c: tree } }] },
      nested,
    ],
    ['a pattern on a long text', { pattern: '(?:a[ab]{1,100}){5}[^ab]' }, text],
    [
      'many patterns',
      { allOf: Array.from({ length: 400 }, (_, index) => ({ not: { pattern: `a${index}b` } })) },
      text,
    ],
    [
      'many items under many schemas',
      { items: { allOf: Array.from({ length: 400 }, () => ({ not: { const: 2 } })) } },
      Array.from({ length: 50_000 }, () => 1),
    ],
    [
      'long values compared',
      { items: { enum: Array.from({ length: 9_000 }, (_, index) => index) } },
      Array.from({ length: 50_000 }, () => 8_999),
    ],
    ['large objects counted', { allOf: Array.from({ length: 900 }, () => ({ minProperties: 1 })) }, keyed],
    ['large objects compared', { enum: Array.from({ length: 15_000 }, () => ({})) }, keyed],
  ])('is stopped soon: %s', (_what, schema, value) =>
    inTime(async () => {
      const check = createJsonSchemaCheck(schema as never);
      const startedMs = performance.now();

      expect(() => check(value)).toThrow(invalid('The schema does more work than is allowed'));
      expectWithin(2_000, performance.now() - startedMs);
    }),
  );

  test('compares 50 000 unique items in one go', () => {
    const items = Array.from({ length: 50_000 }, (_, index) => ({ index }));

    expect(createJsonSchemaCheck({ uniqueItems: true })(items)).toEqual([]);
  });
});
