import { describe, expect, test } from '@jest/globals';
import { AppError } from '../../core/errors.ts';
import { parseJsonObject } from '../../core/json-depth.ts';
import { createRandom, randomEntries, randomValue, toUntidyText } from '../support/random-json.ts';

function refusal(text: string, depthMax = 64) {
  try {
    parseJsonObject(text, { depthMax });
  } catch (error) {
    if (error instanceof AppError) return { code: error.code, message: error.message };
    throw error;
  }
  return null;
}

describe('parseJsonObject', () => {
  test('any object within the depth comes out as JSON.parse reads it', () => {
    const random = createRandom(11);
    for (let round = 0; round < 1_000; round += 1) {
      const text = toUntidyText(random, randomEntries(random, 5));
      expect(parseJsonObject(text, { depthMax: 6 })).toEqual(JSON.parse(text));
    }
  });

  test('depth counts the outermost object and ends exactly at the limit', () => {
    expect(refusal('{"a":[{"b":[]}]}', 4)).toBeNull();
    expect(refusal('{"a":[{"b":[]}]}', 3)).toEqual({
      code: 'invalid_request',
      message: 'The body is nested deeper than 3 levels.',
    });
  });

  test('brackets inside strings and siblings do not count as depth', () => {
    expect(refusal('{"a":"[[[[[[{{{{\\"[[[[","b":[],"c":[],"d":{}}', 2)).toBeNull();
  });

  test('a megabyte of brackets is refused without a stack overflow', () => {
    expect(refusal(`{"a":${'['.repeat(1_000_000)}`)?.message).toBe(
      'The body is nested deeper than 64 levels.',
    );
  });

  test.each(['[]', '"text"', '1', 'null', 'true'])('%s is refused, being no object', (text) => {
    expect(refusal(text)).toEqual({ code: 'invalid_request', message: 'The body is not a JSON object.' });
  });

  test.each([
    ['', 'Unexpected end at position 0'],
    ['{"a":', 'Unexpected end at position 5'],
    ['{"a":"x', 'Unterminated string at position 7'],
    ['{"key":sk-secret}', 'Unexpected character at position 7'],
    ['{"a": tru}', 'Unexpected character at position 6'],
    ['{"a":[1,]}', 'Unexpected character at position 8'],
    ['{"a":}', 'Unexpected character at position 5'],
    ['{"a":1}}', 'Unexpected non-whitespace character after JSON at position 7'],
    ['undefined', 'Unexpected character at position 0'],
  ])('%s is refused with the place and without a quotation', (text, fault) => {
    expect(refusal(text)).toEqual({
      code: 'invalid_request',
      message: `The body is not valid JSON: ${fault}.`,
    });
  });

  test('the place of an unexpected character is the one that JSON.parse stumbled over', () => {
    const random = createRandom(23);
    let compared = 0;
    for (let round = 0; round < 5_000; round += 1) {
      const text = damage(random, JSON.stringify({ a: randomValue(random, 3) }));
      const quoted = /^Unexpected token '(.)', /su.exec(parseFault(text))?.[1];
      const position = /^The body is not valid JSON: Unexpected character at position (\d+)\.$/.exec(
        refusal(text)?.message ?? '',
      )?.[1];
      // In a misspelt literal JSON.parse names the letter, we the literal's beginning.
      if (quoted === undefined || /[a-z]/.test(text.charAt(Number(position)))) continue;
      compared += 1;
      expect({ text, char: text.charAt(Number(position ?? -1)) }).toEqual({ text, char: quoted });
    }
    expect(compared).toBeGreaterThan(100);
  });

  test.each([
    ['{"__proto__":{"admin":true}}', '__proto__'],
    ['{"a":[{"__proto__":1}]}', '__proto__'],
    ['{"\\u005f_proto__":1}', '__proto__'],
    ['{"a":{"__\\u0070roto__":1}}', '__proto__'],
    ['{"a":{"constructor":{"prototype":{"x":1}}}}', 'constructor.prototype'],
    ['{"\\u0063onstructor":{"prototype":1}}', 'constructor.prototype'],
  ])('%s is refused, naming the key', (text, key) => {
    expect(refusal(text)).toEqual({
      code: 'invalid_request',
      message: `The body holds the key "${key}", which is not accepted.`,
    });
  });

  test.each([
    '{"content":"what is __proto__ and \\"constructor\\"?"}',
    '{"properties":{"constructor":{"type":"string"},"prototype":{}}}',
    '{"constructor":null}',
    '{"content":"\\u0041"}',
  ])('%s is accepted', (text) => {
    expect(parseJsonObject(text, { depthMax: 64 })).toEqual(JSON.parse(text));
  });
});

function parseFault(text: string): string {
  try {
    JSON.parse(text);
    return '';
  } catch (error) {
    return (error as Error).message;
  }
}

function damage(random: () => number, text: string): string {
  const at = Math.floor(random() * text.length);
  const insert = ['', ',', ']', '}', ':', '#', '1', 'x'][Math.floor(random() * 8)] ?? '';
  return text.slice(0, at) + insert + text.slice(at + (random() < 0.5 ? 1 : 0));
}
