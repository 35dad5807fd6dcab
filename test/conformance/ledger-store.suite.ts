import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
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
    await fixture.pool.query('DROP SCHEMA IF EXISTS citadel CASCADE');

    const runs = await Promise.all([1, 2, 3, 4].map(() => migrate(fixture.pool)));
    const again = await migrate(fixture.pool);

    const latest = again.to;
    expect(new Set(runs.map((run) => run.to))).toEqual(new Set([latest]));
    expect(again).toEqual({ from: latest, to: latest });
    const { rows } = await fixture.pool.query('SELECT version FROM citadel.migration ORDER BY version');
    expect(rows.map(({ version }) => version)).toEqual(
      migrationFiles().map((name) => Number.parseInt(name, 10)),
    );
  });

  test('a migration with a lower number than one that is there is applied too', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'citadel-migrations-'));
    const write = (name: string, sql: string) => writeFileSync(join(directory, name), sql);
    const run = () => migrate(fixture.pool, pathToFileURL(`${directory}/`));

    write('801-early.sql', 'CREATE TABLE citadel.test_early ()');
    write('803-late.sql', 'CREATE TABLE citadel.test_late ()');
    await run();
    write('802-between.sql', 'CREATE TABLE citadel.test_between ()');
    await run();

    const { rows } = await fixture.pool.query(
      'DELETE FROM citadel.migration WHERE version > 800 RETURNING name',
    );
    expect(rows.map(({ name }) => name)).toEqual(['801-early.sql', '803-late.sql', '802-between.sql']);
    rmSync(directory, { recursive: true });
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
    const entry = newEntry({ tags: ['a "b"', 'é\0,{\ud800}'] });
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
        charged_tokens: '30',
        outcome: 'failed',
        error_code: 'no_healthy_server',
        is_waited: true,
        created_at: entry.createdAt,
        tags: ['a "b"', 'é,{\ufffd}'],
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

  test("a batch's tokens are added to their key's day, those of an entry that is there already are not", async () => {
    const store = createPostgresLedgerStore(fixture.pool);
    const [first, second] = [newEntry({ keyName: 'counted' }), newEntry({ keyName: 'counted' })];
    const nextDay = newEntry({ keyName: 'counted', createdAt: new Date('2026-01-03T00:00:00.000Z') });

    await store.append([first, newEntry({ keyName: null })]);
    await store.append([first, second, nextDay]);

    const { rows } = await fixture.pool.query(
      `SELECT day::text, tokens FROM citadel.token_usage WHERE key_name = 'counted' ORDER BY day`,
    );
    expect(rows).toEqual([
      { day: '2026-01-02', tokens: '60' },
      { day: '2026-01-03', tokens: '30' },
    ]);
  });

  test('nothing to write is nothing done', async () => {
    await expect(createPostgresLedgerStore(fixture.pool).append([])).resolves.toBeUndefined();
  });
}

const migrationFiles = () =>
  readdirSync(new URL('../../storage/migrations', import.meta.url))
    .filter((name) => name.endsWith('.sql'))
    .sort();

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
    chargedTokens: 30,
    outcome: 'failed',
    errorCode: 'no_healthy_server',
    isWaited: true,
    createdAt: new Date('2026-01-02T03:04:05.678Z'),
    ...changes,
  };
}
