import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { newJobId, newRequestId } from '../../core/ids.ts';
import type { LedgerEntry } from '../../jobs/ledger-store.ts';
import { migrate } from '../../storage/migrate.ts';
import { createPostgresLedgerStore } from '../../storage/postgres-ledger-store.ts';
import type { SqlPoolFixture } from './sql-pool.suite.ts';

const START_LIMIT_MS = 60_000;

/** The schema's migrations and the ledger, on any pool whose database has no schema `citadel` yet. */
export function ledgerStoreSuite(start: () => Promise<SqlPoolFixture>): void {
  let fixture: SqlPoolFixture;

  beforeAll(async () => {
    fixture = await start();
  }, START_LIMIT_MS);

  afterAll(async () => {
    await fixture?.close();
  }, START_LIMIT_MS);

  async function written(entries: readonly LedgerEntry[]) {
    const { rows } = await fixture.pool.query('SELECT * FROM citadel.ledger WHERE job_id = ANY($1)', [
      entries.map((entry) => entry.jobId),
    ]);
    return rows;
  }

  test('the schema is brought up to date once, however many start at the same time', async () => {
    const runs = await Promise.all([1, 2, 3, 4].map(() => migrate(fixture.pool)));
    const again = await migrate(fixture.pool);

    const latest = again.to;
    expect(new Set(runs.map((run) => run.to))).toEqual(new Set([latest]));
    expect(again).toEqual({ from: latest, to: latest });
    const { rows } = await fixture.pool.query('SELECT version FROM citadel.migration ORDER BY version');
    expect(rows).toEqual(Array.from({ length: latest }, (_, index) => ({ version: index + 1 })));
  });

  test('a schema that is newer than the program is refused', async () => {
    await fixture.pool.query(`INSERT INTO citadel.migration (version, name) VALUES (9999, 'of the future')`);

    await expect(migrate(fixture.pool)).rejects.toMatchObject({
      code: 'store_unavailable',
      message: expect.stringContaining('version 9999'),
    });

    await fixture.pool.query('DELETE FROM citadel.migration WHERE version = 9999');
  });

  test('an entry is kept with all it says', async () => {
    const entry = newEntry();
    const store = createPostgresLedgerStore(fixture.pool);

    await store.append([entry]);

    expect(await written([entry])).toEqual([
      {
        job_id: entry.jobId,
        request_id: entry.requestId,
        key_name: 'team "a"',
        endpoint: 'chat/completions',
        model: 'phi3:mini',
        model_class: 'lightweight',
        server: null,
        attempts: 2,
        queued_ms: 1.25,
        first_token_ms: null,
        total_ms: 812.5,
        prompt_tokens: '12',
        completion_tokens: null,
        outcome: 'failed',
        error_code: 'no_healthy_server',
        created_at: entry.createdAt,
      },
    ]);
  });

  test('a batch of a thousand is written, and an entry that is there already stays as it is', async () => {
    const entries = Array.from({ length: 1_000 }, () => newEntry());
    const store = createPostgresLedgerStore(fixture.pool);
    const [first] = entries;

    await store.append(entries);
    await store.append([...entries.slice(0, 10).map((entry) => ({ ...entry, model: 'other' })), newEntry()]);

    const rows = await written(entries);
    expect(rows).toHaveLength(1_000);
    expect(rows.find((row) => row.job_id === first?.jobId)).toMatchObject({ model: 'phi3:mini' });
  });

  test('a model name that no database can hold does not cost the batch', async () => {
    const entries = [newEntry({ model: 'a\0b' }), newEntry({ model: '\ud800' }), newEntry()];
    const store = createPostgresLedgerStore(fixture.pool);

    await store.append(entries);

    expect(await written(entries)).toHaveLength(3);
  });

  test('nothing to write is nothing done', async () => {
    await expect(createPostgresLedgerStore(fixture.pool).append([])).resolves.toBeUndefined();
  });
}

function newEntry(changes: Partial<LedgerEntry> = {}): LedgerEntry {
  return {
    jobId: newJobId(),
    requestId: newRequestId(),
    keyName: 'team "a"',
    endpoint: 'chat/completions',
    model: 'phi3:mini',
    modelClass: 'lightweight',
    server: null,
    attempts: 2,
    queuedMs: 1.25,
    firstTokenMs: null,
    totalMs: 812.5,
    promptTokens: 12,
    completionTokens: null,
    outcome: 'failed',
    errorCode: 'no_healthy_server',
    createdAt: new Date('2026-01-02T03:04:05.678Z'),
    ...changes,
  };
}
