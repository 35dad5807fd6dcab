import { describe, expect, test } from '@jest/globals';
import { compileCel } from '../../workflows/cel.ts';

const NAMES = ['input', 'steps', 'run', 'item', 'index', 'loop'];

const SCOPE = {
  input: {
    n: 5,
    half: 2.5,
    word: 'hello',
    list: [1, 2, 3],
    nothing: null,
    people: [
      { name: 'Ann', age: 31 },
      { name: 'Bo', age: 9 },
    ],
  },
  steps: {
    draft: { output: { text: 'Hi' }, status: 'succeeded', error: null },
    'two-words': { output: [1, 2], status: 'succeeded', error: null },
  },
  run: { id: 'run_1' },
  item: { id: 7 },
  index: 2,
  loop: { index: 1, output: { done: true } },
};

const evaluate = (source: string) => compileCel(source, NAMES).evaluate(SCOPE);
const invalid = (message: string) =>
  expect.objectContaining({ code: 'invalid_request', message: expect.stringContaining(message) });

describe('an expression', () => {
  test.each([
    ['input.n + 1', 6],
    ['1 + input.n', 6],
    ['input.n - 1 == 4', true],
    ['2 * input.half', 5],
    ['input.n / 2', 2.5],
    ['input.n % 2 == 1', true],
    ['-input.n', -5],
    ['1 == 1.0 && input.n == 5 && input.n != 4', true],
    ['input.n > 4 && input.half < 3', true],
    ['[1, 2, 3] == input.list', true],
    ['2 in input.list', true],
    ['[0] + input.list + [4]', [0, 1, 2, 3, 4]],
    ['input.list[index]', 3],
    ['index + loop.index', 3],
  ])('mixes numbers of JSON with whole numbers: %s', (source, expected) => {
    expect(evaluate(source)).toEqual(expected);
  });

  test.each([
    ['input.word + "!"', 'hello!'],
    ['input.people.filter(p, p.age > 18).map(p, p.name)', ['Ann']],
    ['input.people.all(p, p.age > 18)', false],
    ['input.people.map(p, p.age > 18, {"who": p.name})', [{ who: 'Ann' }]],
    ['["a", "b"].join("-").upperAscii()', 'A-B'],
    ['has(input.word) && !has(input.other)', true],
    ['input.?other.orValue("none")', 'none'],
    ['input.nothing == null ? "empty" : "full"', 'empty'],
    ['[1, "a", null, 2.5, true]', [1, 'a', null, 2.5, true]],
    ['steps.draft.output.text', 'Hi'],
    ['steps["two-words"].output[1]', 2],
    ['loop.output.done && loop["index"] == 1', true],
    ['run.id', 'run_1'],
    ['item.id', 7],
    ['cel.bind(x, input.n + 1, x * x)', 36],
    ['bytes("{\\"a\\": [1]}").json().a', [1]],
    ['type(input.n) == double', true],
    ['optional.none()', null],
    ['timestamp("2026-01-02T03:04:05Z") + duration("1h")', '2026-01-02T04:04:05.000Z'],
    ['duration("90s")', '90s'],
    ['uint(3)', 3],
  ])('gives JSON: %s', (source, expected) => {
    expect(evaluate(source)).toEqual(expected);
  });

  test.each([
    ['9007199254740993', 'beyond 2^53'],
    ['1.0 / 0', 'Infinity'],
    ['b"abc"', 'no form'],
    ['type(1)', 'no form'],
  ])('that gives what JSON cannot hold fails: %s', (source, message) => {
    expect(() => evaluate(source)).toThrow(invalid(message));
  });

  test.each([
    ['input.', 'at character 7 of `input.`'],
    ['1 +\n  * 2', 'at character 7'],
    ['"abc', 'Unterminated string'],
    ['', 'Unexpected token'],
    ['inptu.n', 'did you mean "input"?'],
    ['secret', '"secret" is not known; known here: input'],
    ['google.protobuf', '"google" is not known'],
    ['cel', '"cel" is not known'],
    ['"a" + 1', 'no such overload: string + int, at character 1'],
    ['size(1)', "found no matching overload for 'size(int)'"],
    ['input.word.lowerasci()', 'did you mean "lowerAscii"?'],
    ['input.word.replace("a", "b")', 'there is no function "replace"'],
    ['input.word.getHours("Asia/Tokyo")', '"getHours" takes 0 arguments, not 1'],
    ['steps', 'followed by the id of a step'],
    ['steps[input.word].output', 'followed by the id of a step'],
    ['steps.draft.outptu', '"output", "status" and "error" only'],
    ['run.secret', '"run.id" only'],
    ['loop.item', '"loop.index" and "loop.output" only'],
    ['[1].map(input, input)', '"input" is taken'],
    ['[1].map(loop, loop)', '"loop" is taken'],
    ['[[1]].map(a, a.map(b, [b].map(c, c)))', 'at most 2 deep'],
    ['input.word.matches("(")', 'missing closing )'],
    ['input.word.matches("(?=a)")', 'not one of RE2'],
  ])('that cannot be right is refused when it is compiled, with the place: %j', (source, message) => {
    expect(() => compileCel(source, NAMES)).toThrow(invalid(message));
  });

  test.each([
    'input.__proto__',
    'input.constructor',
    'input["constructor"]',
    'input.?prototype',
    'input[?"__proto__"]',
    'item.a.b.constructor.c',
    '{"__proto__": 1}',
    '{"constructor": 1}',
    '[1].map(constructor, 1)',
  ])('never names a prototype: %s', (source) => {
    expect(() => compileCel(source, NAMES)).toThrow(invalid(''));
  });

  test.each([
    'input["const" + "ructor"]',
    'input["__pro" + "to__"]',
    'input.list["len" + "gth"]',
    'timestamp("2026-01-02T03:04:05Z")["const" + "ructor"]',
    'dyn(duration("1s"))["const" + "ructor"]["const" + "ructor"]',
  ])('finds nothing of JavaScript under a name that it puts together: %s', (source) => {
    expect(() => evaluate(source)).toThrow(invalid(''));
  });

  test.each([
    ['input.other', 'No such key: other, at character 7'],
    ['input.n.deep', 'No such key: deep'],
    ['input.list[9]', 'index out of bounds'],
    ['1 / 0', 'division by zero'],
    ['timestamp("2026-01-02T03:04:05.123")', 'offset'],
    ['input.nothing + 1', 'no such overload'],
    ['input.word.matches(input.word + "(")', 'missing closing )'],
    ['bytes("{").json()', 'cannot be evaluated'],
  ])('that fails on its values says where: %s', (source, message) => {
    expect(() => evaluate(source)).toThrow(invalid(message));
  });

  test('may use a name in one scope and not in another', () => {
    expect(() => compileCel('item.id', ['input', 'run'])).toThrow(invalid('"item" is not known'));
    expect(() => compileCel('loop.index', ['input', 'run'])).toThrow(invalid('"loop" is not known'));
  });

  test('that must be true or false is refused when its type is another', () => {
    expect(() => compileCel('1 + 1', NAMES, { expects: 'bool' })).toThrow(invalid('of type int'));
    expect(() => compileCel('input.n', NAMES, { expects: 'bool' }).evaluate(SCOPE)).toThrow(
      invalid('must give true or false'),
    );
    expect(compileCel('input.n == 5', NAMES, { expects: 'bool' }).evaluate(SCOPE)).toBe(true);
  });

  test('can be evaluated again, after an error too, and never keeps values of the time before', () => {
    const compiled = compileCel('input.list.map(x, x + input.n)', NAMES);

    expect(() => compiled.evaluate({ input: { list: ['a'], n: 1 } })).toThrow(invalid('no such overload'));
    expect(compiled.evaluate({ input: { list: [1], n: 1 } })).toEqual([2]);
    expect(compiled.evaluate({ input: { list: [5, 6], n: 10 } })).toEqual([15, 16]);
  });
});

describe('the references of an expression', () => {
  test.each([
    ['steps.a.output.text', [{ step: 'a', field: 'output', isGuarded: false }]],
    ['steps["b-c"].status == "failed"', [{ step: 'b-c', field: 'status', isGuarded: false }]],
    ['steps.a', [{ step: 'a', field: null, isGuarded: false }]],
    ['has(steps.a.output)', [{ step: 'a', field: 'output', isGuarded: true }]],
    ['steps.?a.?output.orValue(1)', [{ step: 'a', field: 'output', isGuarded: true }]],
    ['steps.a.output.?x.orValue(1)', [{ step: 'a', field: 'output', isGuarded: true }]],
    [
      'input.list.map(i, steps.a.output[i] + steps.b.output[int(steps.c.error)])',
      [
        { step: 'a', field: 'output', isGuarded: false },
        { step: 'c', field: 'error', isGuarded: false },
        { step: 'b', field: 'output', isGuarded: false },
      ],
    ],
    ['input.steps.a', []],
    ['"steps.a.output"', []],
  ])('of %s', (source, expected) => {
    expect(compileCel(source, NAMES).references).toEqual(expected);
  });
});
