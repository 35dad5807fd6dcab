import { describe, expect, test } from '@jest/globals';
import { compileTemplate } from '../../workflows/template.ts';

const NAMES = ['input', 'steps', 'run'];
const SCOPE = {
  input: { n: 5, word: 'hi', nothing: null, list: [1, { a: 'b' }], map: { k: { x: 1 } } },
  steps: { draft: { output: { text: 'Dear all' }, status: 'succeeded', error: null } },
  run: { id: 'run_1' },
};

const evaluate = (json: Parameters<typeof compileTemplate>[0]) =>
  compileTemplate(json, NAMES).evaluate(SCOPE);

describe('a template', () => {
  test.each([
    ['${{ input.n }}', 5],
    ['${{input.list}}', [1, { a: 'b' }]],
    ['${{ input.nothing }}', null],
    ['${{ input.n > 3 }}', true],
    ['${{ {"a": {"b": input.n}} }}', { a: { b: 5 } }],
    ['${{{"a": {"b": 1}}}}', { a: { b: 1 } }],
    ['${{ "}}" + input.word }}', '}}hi'],
    ["${{ '\\'}}' }}", "'}}"],
    ['${{ """a"}}""" }}', 'a"}}'],
  ])('that is one expression gives the typed value: %s', (template, expected) => {
    expect(evaluate(template)).toEqual(expected);
  });

  test.each([
    ['Say ${{ input.word }}!', 'Say hi!'],
    ['${{ input.word }}${{ input.n }}', 'hi5'],
    [' ${{ input.n }}', ' 5'],
    ['list: ${{ input.list }}, ${{ input.nothing }}', 'list: [1,{"a":"b"}], null'],
    ['run/${{ run.id }}/${{ steps.draft.output.text }}', 'run/run_1/Dear all'],
    ['costs $5 and {{ braces }} $ {{ x }} }}', 'costs $5 and {{ braces }} $ {{ x }} }}'],
    ['${{ "${{" }} stays', '${{ stays'],
    ['', ''],
  ])('with text around it puts values into the text: %j', (template, expected) => {
    expect(evaluate(template)).toBe(expected);
  });

  test('is evaluated deep through any JSON, keys as they are', () => {
    const template = {
      model: 'phi3',
      messages: [{ role: 'user', content: 'Sum up: ${{ steps.draft.output.text }}' }, '${{ input.nothing }}'],
      '${{ input.word }}': 1,
      deep: [[{ n: '${{ input.n + 1 }}' }], null, true, 2.5],
    };

    expect(evaluate(template)).toEqual({
      model: 'phi3',
      messages: [{ role: 'user', content: 'Sum up: Dear all' }, null],
      '${{ input.word }}': 1,
      deep: [[{ n: 6 }], null, true, 2.5],
    });
  });

  test('without expressions is itself', () => {
    const template = { a: [1, 'x'] };

    expect(evaluate(template)).toBe(template);
  });

  test('never sets a prototype', () => {
    const template = JSON.parse('{"__proto__": {"admin": "${{ true }}"}, "a": "${{ 1 }}"}');

    const value = evaluate(template) as { admin?: unknown };

    expect(value.admin).toBeUndefined();
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  });

  test('knows which steps it reads', () => {
    const template = compileTemplate(
      { a: '${{ steps.x.output }}', b: ['${{ steps.?y.?error }} ${{ steps.x.status }}'] },
      NAMES,
    );

    expect(template.references).toEqual([
      { step: 'x', field: 'output', isGuarded: false },
      { step: 'y', field: 'error', isGuarded: true },
      { step: 'x', field: 'status', isGuarded: false },
    ]);
  });

  test.each([
    [{ a: [1, '${{ input. }}'] }, '$.a[1]', 'Expected IDENTIFIER'],
    [{ 'odd key': { b: 'x ${{ input.n' } }, '$["odd key"].b', '"${{" at character 3 is never closed'],
    ['${{ "open }}', '$', 'never closed'],
    ['${{ }}', '$', 'Unexpected token'],
    [['${{ secret }}'], '$[0]', '"secret" is not known'],
  ])('that is wrong is refused with its path: %j', (template, param, message) => {
    expect(() => compileTemplate(template, NAMES)).toThrow(
      expect.objectContaining({ code: 'invalid_request', param, message: expect.stringContaining(message) }),
    );
  });

  test('whose result is beyond 4 MiB of JSON fails', () => {
    const text = 'é'.repeat(1_500_000);
    const template = compileTemplate(
      ['${{ input.text }}', 'x', '${{ input.text }}', '${{ input.text }}'],
      NAMES,
    );

    expect(() => template.evaluate({ input: { text } })).toThrow(
      expect.objectContaining({ code: 'invalid_request', message: expect.stringContaining('4 MiB') }),
    );
    expect(template.evaluate({ input: { text: 'é' } })).toEqual(['é', 'x', 'é', 'é']);
  });

  test('has one budget for all its expressions together', () => {
    const list = Array.from({ length: 20_000 }, (_, index) => index);
    const template = compileTemplate(
      Array.from({ length: 200 }, () => '${{ size(input.list.filter(x, x % 2 == 0)) }}'),
      NAMES,
    );

    expect(() => template.evaluate({ input: { list } })).toThrow('more work than is allowed');
    expect(template.evaluate({ input: { list: [1, 2] } })).toEqual(Array.from({ length: 200 }, () => 1));
  });
});
