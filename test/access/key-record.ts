import type { KeyRecord } from '../../access/key-store.ts';

/** A valid key without limits. */
export function newKeyRecord(changes: Partial<KeyRecord> = {}): KeyRecord {
  return {
    id: 'key_1',
    name: 'team',
    digest: 'd1',
    prefix: 'ck_abcdef',
    role: 'user',
    requestsPerMinute: null,
    tokensPerMinute: null,
    maxConcurrency: null,
    models: null,
    tokenBudget: null,
    weight: 1,
    expiresAt: null,
    createdAt: new Date('2026-01-02T03:04:05.678Z'),
    revokedAt: null,
    ...changes,
  };
}
