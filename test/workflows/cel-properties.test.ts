import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { AppError } from '../../core/errors.ts';
import { compileCel } from '../../workflows/cel.ts';

const WORDS = [
  ...[
    'input',
    'steps',
    'a',
    'b',
    'x',
    'output',
    'loop',
    'index',
    'item',
    'run',
    'id',
    'constructor',
    '__proto__',
  ],
  ...[
    'map',
    'filter',
    'all',
    'exists',
    'exists_one',
    'size',
    'has',
    'matches',
    'contains',
    'split',
    'join',
    'bind',
  ],
  ...[
    'cel',
    'optional',
    'of',
    'none',
    'orValue',
    'duration',
    'timestamp',
    'bytes',
    'json',
    'type',
    'dyn',
    'string',
  ],
  ...[
    '(',
    ')',
    '[',
    ']',
    '{',
    '}',
    '.',
    '.?',
    '[?',
    ',',
    ':',
    '?',
    '!',
    '-',
    '+',
    '*',
    '/',
    '%',
    '==',
    '!=',
    '<',
    '>=',
  ],
  ...[
    '&&',
    '||',
    'in',
    ' ',
    '0',
    '1',
    '2.5',
    '3u',
    '1e400',
    '"a"',
    "'b'",
    '"(a+)+$"',
    'r"\\d"',
    'b"x"',
    'null',
    'true',
  ],
];

const Value = fc.jsonValue({ maxDepth: 4 });

/** Texts that are nearly expressions: whole ones put together by the grammar, some of them wrong in type. */
const Expression = fc.letrec<{ any: string }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 4, depthIdentifier: 'cel' },
    fc.constantFrom(
      '1',
      '2.5',
      '"a"',
      'true',
      'null',
      'input',
      'input.a',
      'input.a.b',
      'input["a"]',
      'x',
      '[]',
      '{}',
    ),
    fc
      .tuple(tie('any'), fc.constantFrom('+', '-', '*', '/', '%', '==', '<', 'in', '&&', '||'), tie('any'))
      .map(([left, operator, right]) => `(${left} ${operator} ${right})`),
    fc
      .tuple(tie('any'), fc.constantFrom('map', 'filter', 'all', 'exists', 'exists_one'), tie('any'))
      .map(([list, macro, body]) => `${list}.${macro}(x, ${body})`),
    fc
      .tuple(tie('any'), tie('any'), tie('any'))
      .map(([is, then, otherwise]) => `(${is} ? ${then} : ${otherwise})`),
    fc
      .tuple(fc.constantFrom('size', 'string', 'int', 'dyn', 'type', '!', '-'), tie('any'))
      .map(([name, argument]) => `${name}(${argument})`),
    fc.tuple(tie('any'), tie('any')).map(([first, second]) => `[${first}, {"k": ${second}}]`),
  ),
})).any;

function outcomeOf(source: string, input: unknown): 'value' | AppError {
  try {
    const value = compileCel(source, ['input', 'steps', 'run', 'loop']).evaluate({
      input,
      steps: { a: { output: input, status: 'succeeded', error: null } },
      run: { id: 'run_1' },
      loop: { index: 0, output: input },
    });
    expect(JSON.parse(JSON.stringify(value))).toEqual(value);
    return 'value';
  } catch (error) {
    if (error instanceof AppError && error.code === 'invalid_request') return error;
    throw error;
  }
}

describe('whatever an expression says', () => {
  test('the outcome is JSON or an AppError', () => {
    let values = 0;
    fc.assert(
      fc.property(Expression, Value, (source, input) => {
        if (outcomeOf(source, input) === 'value') values += 1;
      }),
      { numRuns: 2_000 },
    );
    expect(values).toBeGreaterThan(100);
  });

  test('words in any order give nothing but JSON or an AppError', () => {
    const source = fc.array(fc.constantFrom(...WORDS), { maxLength: 40 }).map((words) => words.join(''));

    fc.assert(
      fc.property(source, Value, (text, input) => void outcomeOf(text, input)),
      { numRuns: 2_000 },
    );
  });

  test('any text at all gives nothing but JSON or an AppError', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => void outcomeOf(text, {})),
      { numRuns: 1_000 },
    );
  });
});
