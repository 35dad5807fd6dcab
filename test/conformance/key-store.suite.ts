import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { KeyRecord, KeyStore } from '../../access/key-store.ts';
import { newJobId, newRequestId } from '../../core/ids.ts';
import { migrate } from '../../storage/migrate.ts';
import { createPostgresKeyStore } from '../../storage/postgres-key-store.ts';
import { createPostgresLedgerStore } from '../../storage/postgres-ledger-store.ts';
import type { SqlPoolFixture } from './sql-pool.suite.ts';

const START_LIMIT_MS = 60_000;

/** The store of the API keys, on any pool. */
export function keyStoreSuite(start: () => Promise<SqlPoolFixture>): void {
  let fixture: SqlPoolFixture;
  let store: KeyStore;

  beforeAll(async () => {
    fixture = await start();
    await migrate(fixture.pool);
    store = createPostgresKeyStore(fixture.pool);
  }, START_LIMIT_MS);

  beforeEach(async () => {
    await fixture.pool.exec(
      'TRUNCATE citadel.api_key; TRUNCATE citadel.ledger; TRUNCATE citadel.token_usage',
    );
  });

  afterAll(async () => {
    await fixture?.close();
  }, START_LIMIT_MS);

  test('a key is kept with all it says, and without what it does not', async () => {
    const [full, bare] = [newKey(), newKey({ ...UNLIMITED, id: 'key_2', name: 'bare', digest: 'd2' })];

    await store.insert(full);
    await store.insert(bare);

    expect(await store.all()).toEqual([
      { ...full, lastUsedAt: null },
      { ...bare, lastUsedAt: null },
    ]);
    expect(await store.get('key_2')).toEqual({ ...bare, lastUsedAt: null });
    expect(await store.get('key_3')).toBeNull();
  });

  test('a name is given once, and again when its key is revoked', async () => {
    await store.insert(newKey());
    const second = newKey({ id: 'key_2', digest: 'd2' });

    await expect(store.insert(second)).rejects.toMatchObject({ code: 'conflict', param: 'name' });
    await store.revoke('key_1', new Date());
    await store.insert(second);

    expect(await store.all()).toHaveLength(2);
  });

  test('each change of a key raises the revision, whoever makes it, and a look does not', async () => {
    const seen = [await store.revision()];
    const steps = [
      () => store.insert(newKey()),
      () => store.change('key_1', { weight: 3 }),
      () => store.revoke('key_1', new Date()),
      () => fixture.pool.query('DELETE FROM citadel.api_key'),
    ];
    for (const step of steps) {
      await step();
      await store.list({ limit: 1, after: null });
      seen.push(await store.revision());
    }

    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(new Set(seen).size).toBe(seen.length);
  });

  test('a change touches what it names, and null lifts a limit', async () => {
    await store.insert(newKey());

    const changed = await store.change('key_1', { requestsPerMinute: 7, tokenBudget: null, models: null });

    const expected = { ...newKey(), requestsPerMinute: 7, tokenBudget: null, models: null, lastUsedAt: null };
    expect(changed).toEqual(expected);
    expect(await store.get('key_1')).toEqual(expected);
    expect(await store.change('key_1', {})).toEqual(expected);
    expect(await store.change('key_9', { weight: 2 })).toBeNull();
  });

  test('a revoked key stays revoked since the first time, and changes no more', async () => {
    const at = new Date('2026-05-05T00:00:00.000Z');
    await store.insert(newKey());

    const revoked = await store.revoke('key_1', at);

    expect(revoked).toEqual({ ...newKey(), revokedAt: at, lastUsedAt: null });
    expect(await store.revoke('key_1', new Date())).toEqual(revoked);
    expect(await store.change('key_1', { weight: 5 })).toBeNull();
    expect(await store.get('key_1')).toEqual(revoked);
    expect(await store.revoke('key_9', at)).toBeNull();
  });

  test('pages come newest first, each key once, also where two are of one moment', async () => {
    const ids = ['key_a', 'key_b', 'key_c', 'key_d'];
    for (const [index, id] of ids.entries()) {
      const createdAt = new Date(Date.UTC(2026, 0, 1, 0, 0, Math.floor(index / 2)));
      await store.insert(newKey({ id, name: id, digest: id, createdAt }));
    }

    const first = await store.list({ limit: 3, after: null });
    const second = await store.list({ limit: 3, after: 'key_b' });

    expect(first.map(({ id }) => id)).toEqual(['key_d', 'key_c', 'key_b']);
    expect(second.map(({ id }) => id)).toEqual(['key_a']);
    expect(await store.list({ limit: 3, after: 'key_z' })).toEqual([]);
  });

  test('what a key used and when it last did is what the ledger says', async () => {
    const ledger = createPostgresLedgerStore(fixture.pool);
    await store.insert(newKey());
    const times = ['2026-02-27T23:59:59.000Z', '2026-03-01T00:00:00.000Z', '2026-03-01T12:00:00.000Z'];
    await ledger.append(times.map((time) => entryOf('team', new Date(time))));
    await ledger.append([entryOf('other', new Date('2026-03-02T00:00:00.000Z'))]);

    expect(await store.tokensUsed(['team', 'nobody'], '2026-03-01')).toEqual([
      { keyName: 'team', day: '2026-03-01', tokens: 40 },
    ]);
    expect(await store.tokensUsed(['team'], '2026-02-01')).toHaveLength(2);
    expect(await store.tokensUsed([], '2026-02-01')).toEqual([]);
    expect(await store.get('key_1')).toMatchObject({ lastUsedAt: new Date('2026-03-01T12:00:00.000Z') });
  });
}

const UNLIMITED = {
  requestsPerMinute: null,
  tokensPerMinute: null,
  maxConcurrency: null,
  models: null,
  tokenBudget: null,
  expiresAt: null,
};

function newKey(changes: Partial<KeyRecord> = {}): KeyRecord {
  return {
    id: 'key_1',
    name: 'team',
    digest: 'd1',
    prefix: 'ck_abcdef',
    role: 'user',
    requestsPerMinute: 60,
    tokensPerMinute: 5_000_000_000,
    maxConcurrency: 4,
    models: ['phi3', 'mixtral'],
    tokenBudget: { tokens: 9_000_000_000, per: 'month' },
    weight: 1.5,
    expiresAt: new Date('2030-01-01T00:00:00.000Z'),
    createdAt: new Date('2026-01-02T03:04:05.678Z'),
    revokedAt: null,
    ...changes,
  };
}

function entryOf(keyName: string, createdAt: Date) {
  return {
    jobId: newJobId(),
    requestId: newRequestId(),
    keyName,
    endpoint: 'chat/completions',
    model: 'phi3',
    modelClass: 'lightweight' as const,
    server: 'one',
    attempts: 1,
    queuedMs: 1,
    firstTokenMs: 1,
    totalMs: 2,
    promptTokens: 10,
    completionTokens: 10,
    chargedTokens: 20,
    outcome: 'succeeded' as const,
    errorCode: null,

    isWaited: true,
    createdAt,
  };
}
