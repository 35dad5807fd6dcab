import { describe, expect, test } from '@jest/globals';
import { createAuthenticator } from '../../access/authenticator.ts';
import { digestOf } from '../../access/issue-key.ts';
import type { KeyRecord } from '../../access/key-store.ts';
import { newKeyRecord } from './key-record.ts';

const KEYS = [
  { name: 'app', role: 'user', key: 'sk-app-0123456789' },
  { name: 'ops', role: 'admin', key: 'sk-ops-0123456789' },
] as const;
const STORED = 'ck_stored';
const NOW_MS = Date.UTC(2026, 0, 1);

interface Setup {
  keys?: typeof KEYS | [];
  stored?: KeyRecord[];
  isRead?: boolean;
  openWithoutKeys?: boolean;
  operatorKey?: string;
}

function setup({ keys = [], stored = [], isRead = true, ...rest }: Setup = {}) {
  return createAuthenticator({
    keys,
    ring: {
      isRead: () => isRead,
      size: () => stored.length,
      find: (digest) => stored.find((key) => key.digest === digest) ?? null,
    },
    openWithoutKeys: true,
    now: () => NOW_MS,
    ...rest,
  });
}

describe('with keys of the configuration', () => {
  const authenticator = setup({ keys: KEYS });

  test('one is required', () => {
    expect(authenticator.required).toBe(true);
  });

  test.each(KEYS)('$name is known by its key, in its role, and held to nothing', ({ name, role, key }) => {
    expect(authenticator.identify(key)).toEqual({ keyName: name, role, weight: 1, limits: null });
  });

  test.each([
    [undefined],
    [''],
    ['sk-app'],
    ['sk-app-0123456789 '],
    ['SK-APP-0123456789'],
    ['app'],
    [digestOf(KEYS[0].key)],
    [`${KEYS[0].key}${KEYS[1].key}`],
  ])('nobody is known by %j', (key) => {
    expect(authenticator.identify(key)).toBeNull();
  });
});

describe('with keys of the store', () => {
  const record = newKeyRecord({ digest: digestOf(STORED), name: 'team', weight: 2, requestsPerMinute: 60 });

  test('a key is known with its limits and its weight', () => {
    const { id: keyId, maxConcurrency, models, requestsPerMinute, tokensPerMinute, tokenBudget } = record;

    expect(setup({ stored: [record] }).identify(STORED)).toEqual({
      keyName: 'team',
      role: 'user',
      weight: 2,
      limits: { keyId, maxConcurrency, models, requestsPerMinute, tokensPerMinute, tokenBudget },
    });
  });

  test.each([
    ['revoked', { revokedAt: new Date(NOW_MS - 1) }],
    ['expired', { expiresAt: new Date(NOW_MS) }],
  ])('one that is %s lets nobody in, and opens no door either', (_, changes) => {
    const authenticator = setup({ stored: [{ ...record, ...changes }] });

    expect(authenticator.required).toBe(true);
    expect(authenticator.identify(STORED)).toBeNull();
    expect(authenticator.identify(undefined)).toBeNull();
  });

  test('one that expires later is good', () => {
    const authenticator = setup({ stored: [{ ...record, expiresAt: new Date(NOW_MS + 1) }] });

    expect(authenticator.identify(STORED)).toMatchObject({ keyName: 'team' });
  });
});

describe('while the store has never been read', () => {
  const unread = { isRead: false };

  test.each([['ck_any'], [undefined]])('the key %j is neither right nor wrong', (key) => {
    const authenticator = setup(unread);

    expect(authenticator.required).toBe(true);
    expect(() => authenticator.identify(key)).toThrow(expect.objectContaining({ code: 'store_unavailable' }));
  });

  test('the keys of the configuration are good all the same', () => {
    const authenticator = setup({ ...unread, keys: KEYS });

    expect(authenticator.identify(KEYS[0].key)).toMatchObject({ keyName: 'app' });
    expect(authenticator.identify(undefined)).toBeNull();
    expect(() => authenticator.identify('ck_any')).toThrow(
      expect.objectContaining({ code: 'store_unavailable' }),
    );
  });
});

describe('without keys', () => {
  test.each([[undefined], ['any']])('everybody may do everything, with the key %j', (key) => {
    const authenticator = setup();

    expect(authenticator.required).toBe(false);
    expect(authenticator.identify(key)).toEqual({ keyName: null, role: 'admin', weight: 1, limits: null });
  });

  test('nobody may do anything where others than this machine can call', () => {
    const authenticator = setup({ openWithoutKeys: false });

    expect(authenticator.required).toBe(true);
    expect(authenticator.identify('any')).toBeNull();
    expect(authenticator.identify(undefined)).toBeNull();
  });
});

test("the operator's key of this boot is an admin's, and does not count as a key", () => {
  const operatorKey = 'ck_operator_x';

  expect(setup({ operatorKey }).required).toBe(false);
  expect(setup({ operatorKey, keys: KEYS }).identify(operatorKey)).toMatchObject({ role: 'admin' });
});
