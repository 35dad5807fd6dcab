import { createCipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { createAuthenticator } from '../../access/authenticator.ts';
import { digestOf } from '../../access/issue-key.ts';
import type { KeyRecord } from '../../access/key-store.ts';
import { createSessions, SESSION_MS } from '../../access/sessions.ts';
import { newKeyRecord } from './key-record.ts';

const KEY = 'sk-ops-0123456789';
const NOW_MS = Date.UTC(2027, 0, 1);

function setup(records: KeyRecord[] = [newKeyRecord({ name: 'ops', role: 'admin', digest: digestOf(KEY) })]) {
  const clock = { ms: NOW_MS };
  const ring = {
    isRead: () => true,
    size: () => records.length,
    find: (digest: string) => records.find((record) => record.digest === digest) ?? null,
    findName: (name: string) => records.find((record) => record.name === name) ?? null,
  };
  const keys = [{ name: 'root', role: 'admin' as const, key: 'sk-root' }];
  const now = () => clock.ms;
  const authenticator = createAuthenticator({ keys, ring, openWithoutKeys: true, now });
  return { records, clock, sessions: createSessions({ keys, ring, authenticator, now }) };
}

describe('a session', () => {
  test('opens in every process that knows its key, until it expires', () => {
    const { token = '' } = setup().sessions.issue(KEY) ?? {};
    const { sessions, clock } = setup();

    expect(sessions.open(token)).toMatchObject({ key: KEY, principal: { keyName: 'ops', role: 'admin' } });
    clock.ms += SESSION_MS - 1;
    expect(sessions.open(token)).not.toBeNull();
    clock.ms += 1;
    expect(sessions.open(token)).toBeNull();
  });

  test('is made for a key of the configuration too, and for no user', () => {
    const user = newKeyRecord({ name: 'app', role: 'user', digest: digestOf('sk-app') });
    const { sessions } = setup([user]);

    expect(sessions.open(sessions.issue('sk-root')?.token ?? '')).toMatchObject({ key: 'sk-root' });
    expect(sessions.issue('sk-app')).toBeNull();
    expect(sessions.issue('sk-other')).toBeNull();
  });

  test.each<[string, Partial<KeyRecord>]>([
    ['was revoked', { revokedAt: new Date(NOW_MS) }],
    ['has expired', { expiresAt: new Date(NOW_MS) }],
    ['is not an admin’s any more', { role: 'user' }],
    ['was replaced by another of its name', { digest: digestOf('sk-another') }],
  ])('ends when its key %s', (_, change) => {
    const { sessions, records } = setup();
    const { token = '' } = sessions.issue(KEY) ?? {};
    records[0] = { ...(records[0] as KeyRecord), ...change };

    expect(sessions.open(token)).toBeNull();
  });

  test('cannot be made by who has read the digests alone', () => {
    const { sessions } = setup();
    const digest = digestOf(KEY);
    const secret = Buffer.from(hkdfSync('sha256', digest, '', 'citadel operator page session', 32));
    const forge = (content: unknown) => {
      const iv = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', secret, iv);
      const body = Buffer.concat([cipher.update(JSON.stringify(content)), cipher.final()]);
      const sealed = Buffer.concat([iv, cipher.getAuthTag(), body]).toString('base64url');
      return `${Buffer.from('ops').toString('base64url')}.${sealed}`;
    };
    const expiresAtMs = NOW_MS + 1_000;

    expect(sessions.open(forge({ key: KEY, expiresAtMs }))).not.toBeNull();
    for (const content of [{ key: digest, expiresAtMs }, { key: 'x', expiresAtMs }, { expiresAtMs }, null]) {
      expect(sessions.open(forge(content))).toBeNull();
    }
  });
});
