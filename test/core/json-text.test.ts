import { describe, expect, test } from '@jest/globals';
import { memberText, withMembers } from '../../core/json-text.ts';
import { expectWithin, inTime } from '../support/in-time.ts';
import { createRandom, randomEntries, toUntidyText } from '../support/random-json.ts';

describe('withMembers', () => {
  test('everything but the members set stays byte for byte, a 20-digit seed too', () => {
    const text = ' {"seed" : 12345678901234567890,\n "stream":false , "x":[1.0, 1e2 ,"\\u00e9"] } \n';

    expect(withMembers(text, { stream: 'true' })).toBe(
      ' {"seed" : 12345678901234567890,\n "stream":true , "x":[1.0, 1e2 ,"\\u00e9"] } \n',
    );
  });

  test.each([
    ['{}', '{"stream":true}'],
    ['{ }', '{"stream":true }'],
    ['{"a":1}', '{"a":1,"stream":true}'],
    ['{"a":{"stream":false}}', '{"a":{"stream":false},"stream":true}'],
    ['{"a":"\\"stream\\":false"}', '{"a":"\\"stream\\":false","stream":true}'],
    ['{"str\\u0065am":null}', '{"str\\u0065am":true}'],
    ['{"stream":1,"a":2, "stream":{"b":[]} ,"stream" : "x"}', '{"stream":true,"a":2}'],
    ['{"stream":1,"str\\u0065am":2}', '{"stream":true}'],
    ['{"a":"\\\\","stream":0}', '{"a":"\\\\","stream":true}'],
  ])('%s becomes %s', (text, expected) => {
    expect(withMembers(text, { stream: 'true' })).toBe(expected);
  });

  test('several members are set at once, those that were missing in the order given', () => {
    expect(withMembers('{"b":1}', { c: '3', b: '2', 'd"': '{"x":4}' })).toBe('{"b":2,"c":3,"d\\"":{"x":4}}');
  });

  test('it agrees with parsing and writing on 3 000 random objects', () => {
    const random = createRandom(7);
    const members = { stream: 'true', 'a"b': '{"n":[1,"}"]}', new: '"\\u0000"' };
    for (let round = 0; round < 3_000; round += 1) {
      const text = toUntidyText(random, randomEntries(random, 4));
      const result = withMembers(text, members);
      const expected = { ...JSON.parse(text), stream: true, 'a"b': { n: [1, '}'] }, new: '\0' };
      expect({ text, parsed: JSON.parse(result) }).toEqual({ text, parsed: expected });
      expect(withMembers(result, members)).toBe(result);
      for (const key of ['model', 'seed', '', 'back\\slash', '{']) {
        expect(memberText(result, key)).toBe(memberText(text, key));
      }
    }
  });

  test('a string of 10 MB and 5 million escapes each cost less than a second', async () => {
    const image = JSON.stringify({ url: 'iVBORw0KGgo/'.repeat(900_000), stream: false });
    const escapes = JSON.stringify({ text: '"\\'.repeat(2_500_000), stream: false });
    await inTime(async () => {
      const start = performance.now();
      for (const text of [image, escapes]) {
        expect(withMembers(text, { stream: 'true' }).length).toBe(text.length - 1);
      }
      expectWithin(2_000, performance.now() - start);
    });
  });
});

describe('memberText', () => {
  test.each([
    ['seed', '12345678901234567890'],
    ['nested', '{"seed": [1, "]"]}'],
    ['text', '"a\\"b"'],
    ['twice', '2'],
    ['missing', undefined],
  ])('the raw text of %s is %s', (key, expected) => {
    const text =
      '{"twice":1, "s\\u0065ed": 12345678901234567890 ,"nested":{"seed": [1, "]"]},"text":"a\\"b","twice":2}';

    expect(memberText(text, key)).toBe(expected);
  });

  test('an empty object has no member', () => {
    expect(memberText(' { } ', 'a')).toBeUndefined();
  });
});
