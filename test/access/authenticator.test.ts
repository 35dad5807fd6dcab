import { describe, expect, test } from '@jest/globals';
import { createAuthenticator } from '../../access/authenticator.ts';

const KEYS = [
  { name: 'app', role: 'user', key: 'sk-app-0123456789' },
  { name: 'ops', role: 'admin', key: 'sk-ops-0123456789' },
] as const;

describe('with keys', () => {
  const authenticator = createAuthenticator(KEYS);

  test('one is required', () => {
    expect(authenticator.required).toBe(true);
  });

  test.each(KEYS)('$name is known by its key, in its role', ({ name, role, key }) => {
    expect(authenticator.identify(key)).toEqual({ keyName: name, role });
  });

  test.each([
    [undefined],
    [''],
    ['sk-app'],
    ['sk-app-0123456789 '],
    ['SK-APP-0123456789'],
    ['app'],
    [`${KEYS[0].key}${KEYS[1].key}`],
  ])('nobody is known by %j', (key) => {
    expect(authenticator.identify(key)).toBeNull();
  });
});

describe('without keys', () => {
  const authenticator = createAuthenticator([]);

  test.each([[undefined], ['any']])('everybody may do everything, with the key %j', (key) => {
    expect(authenticator.required).toBe(false);
    expect(authenticator.identify(key)).toEqual({ keyName: null, role: 'admin' });
  });
});
