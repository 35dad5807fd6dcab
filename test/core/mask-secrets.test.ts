import { expect, test } from '@jest/globals';
import { maskSecrets } from '../../core/mask-secrets.ts';
import { expectWithin, inTime } from '../support/in-time.ts';

test.each([
  ['redis://user:pw@host:6379/0', 'redis://user:***@host:6379/0'],
  ['redis://:p@ss/word@host', 'redis://:***@host'],
  ['to postgres://a:b@c, then rediss://d:e@f', 'to postgres://a:***@c, then rediss://d:***@f'],
  ['Authorization: Bearer abcdef123456', 'Authorization: Bearer ***'],
  ['authorization: basic dXNlcjpwdw==', 'authorization: basic ***'],
  ['key sk-proj-abcdefghijklmnop.', 'key sk-***.'],
  ['the key ck_AbCdEf-0123456789_abc was', 'the key ck-*** was'],
  ['https://host/v1?api_key=abc&x=1', 'https://host/v1?api_key=***&x=1'],
])('%s is masked', (text, expected) => {
  expect(maskSecrets(text)).toBe(expected);
});

test.each([
  'http://127.0.0.1:8002/v1/models/phi3@latest',
  'http://host:80/?to=a@b',
  'a bearer of bad news',
  'max_tokens=100, model=phi3:latest',
  'task-force-one-two-three-four',
])('%s stays as it is', (text) => {
  expect(maskSecrets(text)).toBe(text);
});

test('a hostile text of 100 000 characters costs less than a second', () =>
  inTime(async () => {
    const start = performance.now();
    for (const part of ['a.', '://:', 'x://', 'bearer ', ':@', 'sk-'])
      maskSecrets(part.repeat(100_000 / part.length));
    expectWithin(1_000, performance.now() - start);
  }));
