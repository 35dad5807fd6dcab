import { describe, expect, test } from '@jest/globals';
import { checkOutput } from '../../workflows/output-schema.ts';

const SCHEMA = {
  type: 'object',
  properties: { label: { enum: ['bug', 'praise'] }, score: { type: 'number' } },
  required: ['label'],
};

describe('an answer that fits its schema', () => {
  test.each([
    ['{"label":"bug"}'],
    ['  {"label": "bug"}\n'],
    ['```json\n{"label":"bug"}\n```'],
    ['```\n{"label":"bug"}```'],
    ['Here it is:\n\n```json\n{"label":"bug"}\n```\nAnything else?'],
  ])('is its JSON, without the fence that models put around it: %j', (text) => {
    expect(checkOutput(SCHEMA, text)).toEqual({ ok: true, json: { label: 'bug' } });
  });

  test('may hold fences itself', () => {
    expect(checkOutput({}, '{"text":"```js\\nx\\n```"}')).toEqual({
      ok: true,
      json: { text: '```js\nx\n```' },
    });
  });

  test('may be any JSON', () => {
    expect([checkOutput({}, 'null'), checkOutput({}, '[1]'), checkOutput({}, '"x"')]).toEqual([
      { ok: true, json: null },
      { ok: true, json: [1] },
      { ok: true, json: 'x' },
    ]);
  });
});

describe('an answer that does not fit', () => {
  test('comes with everything that is wrong, in words for the model', () => {
    expect(checkOutput(SCHEMA, '{"label":"rant","score":"high"}')).toEqual({
      ok: false,
      problems: '$.label must be one of ["bug","praise"]\n$.score must be number',
    });
  });

  test.each([
    '',
    'Sorry, I cannot.',
    '{"label":',
    '```json\n{"label"\n```',
    '```',
    '{"label":"bug"} {"label":"bug"}',
  ])('because it is no JSON says so: %j', (text) => {
    expect(checkOutput(SCHEMA, text)).toEqual({
      ok: false,
      problems: expect.stringContaining('not valid JSON'),
    });
  });

  test('because it is too long says so', () => {
    expect(checkOutput({}, `"${'x'.repeat(4_194_304)}"`)).toEqual({
      ok: false,
      problems: 'The answer is longer than 4 MiB.',
    });
  });
});

test("a schema that is none is the definition's fault, not the answer's", () => {
  expect(() => checkOutput({ type: 'strin' }, '{}')).toThrow(
    expect.objectContaining({ code: 'invalid_request' }),
  );
});
