import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { newJobId, newRequestId, type RunId } from '../../core/ids.ts';
import { migrate } from '../../storage/migrate.ts';
import { createPostgresLedgerStore } from '../../storage/postgres-ledger-store.ts';
import { createPostgresRetentionStore } from '../../storage/postgres-retention-store.ts';
import { createPostgresRunStore } from '../../storage/postgres-run-store.ts';
import type { RetentionStore } from '../../workflows/retention-store.ts';
import type { NewRun } from '../../workflows/run-store.ts';
import { creation, newRun, step, told, write } from './run-store-bundle.ts';
import type { SqlPoolFixture } from './sql-pool.suite.ts';

const START_LIMIT_MS = 60_000;
const TABLES = [
  'run',
  'step',
  'run_event',
  'idempotency_key',
  'webhook_outbox',
  'run_inbox',
  'ledger',
  'token_usage',
];

/** What is deleted when it is old, on any pool. */
export function retentionSuite(start: () => Promise<SqlPoolFixture>): void {
  let fixture: SqlPoolFixture;
  let old: RetentionStore;

  beforeAll(async () => {
    fixture = await start();
    await migrate(fixture.pool);
    old = createPostgresRetentionStore(fixture.pool);
  }, START_LIMIT_MS);

  beforeEach(async () => {
    await fixture.pool.query(`TRUNCATE ${TABLES.map((name) => `citadel.${name}`).join(', ')}`);
  });

  afterAll(async () => {
    await fixture?.close();
  }, START_LIMIT_MS);

  /** A run with a step and two events that ended so long ago. */
  async function ended(daysAgo: number | null, parts: Partial<NewRun> = {}): Promise<RunId> {
    const run = newRun(parts);
    const events = [told('run.started'), told('run.succeeded')];
    const steps = [write(step('a', 'succeeded', { attempt: 1 }))];
    await createPostgresRunStore(fixture.pool).commit([creation(run, { steps, events })]);
    if (daysAgo !== null) {
      await fixture.pool.query(
        `UPDATE citadel.run SET status = 'succeeded', ended_at = now() - $2 * interval '1 day' WHERE id = $1`,
        [run.id, daysAgo],
      );
    }
    return run.id;
  }

  const run = (sql: string, ...params: unknown[]) => fixture.pool.query(sql, params);
  const idsIn = async (table: string, column: string) =>
    (await run(`SELECT DISTINCT ${column} AS id FROM citadel.${table} ORDER BY 1`)).rows.map(({ id }) => id);

  test('a run that ended long ago goes with all its rows; others stay whole', async () => {
    const gone = [await ended(31), await ended(40, { kind: 'job' })];
    const kept = [await ended(29), await ended(null)].sort();

    expect(await old.runs(30, 50)).toBe(gone.length);

    for (const [table, column] of [
      ['run', 'id'],
      ['step', 'run_id'],
      ['run_event', 'run_id'],
    ] as const) {
      expect([table, await idsIn(table, column)]).toEqual([table, kept]);
    }
    expect(await old.runs(30, 50)).toBe(0);
  });

  test('a run stays that something may still ask for', async () => {
    const parent = await ended(null);
    const child = await ended(60, { parent: { runId: parent, key: 'c', attempt: 1 } });
    const parentOfOpen = await ended(60);
    const open = await ended(null, { parent: { runId: parentOfOpen, key: 'c', attempt: 1 } });
    const keyed = await ended(60);
    await run(
      `INSERT INTO citadel.idempotency_key VALUES ('', 'k', 'hash', $1, now() - interval '23 hours')`,
      keyed,
    );
    const told = await ended(60);
    await run(
      `INSERT INTO citadel.webhook_outbox (id, run_id, event, created_at, next_at) VALUES ('w', $1, '', now(), now())`,
      told,
    );
    const addressed = await ended(60);
    await run(`INSERT INTO citadel.run_inbox VALUES ('i', $1, '{}', now())`, addressed);

    expect(await old.runs(30, 50)).toBe(0);

    expect(await idsIn('run', 'id')).toEqual(
      [parent, child, parentOfOpen, open, keyed, told, addressed].sort(),
    );
  });

  test('a parent goes before its children', async () => {
    const parent = await ended(40);
    const child = await ended(60, { parent: { runId: parent, key: 'c', attempt: 1 } });

    expect(await old.runs(30, 50)).toBe(1);
    expect(await idsIn('run', 'id')).toEqual([child]);
    expect(await old.runs(30, 50)).toBe(1);
  });

  test('a batch is bounded, also by the size of its runs', async () => {
    const ids = [await ended(33), await ended(32), await ended(31)];
    await run('UPDATE citadel.run SET last_seq = 30000 WHERE id = $1', ids[0]);

    expect(await old.runs(30, 3)).toBe(3);
    expect(await idsIn('run', 'id')).toEqual(ids.slice(1).sort());
    expect(await old.runs(30, 1)).toBe(1);
    expect(await idsIn('run', 'id')).toEqual(ids.slice(2));
  });

  test('events go once, and not those of a run that goes on', async () => {
    await ended(8);
    const open = await ended(null);

    expect(await old.events(7, 50)).toBe(1);
    expect(await old.events(7, 50)).toBe(0);
    expect(await idsIn('run_event', 'run_id')).toEqual([open]);
  });

  test('old rows of the ledger go, and the sums that a budget needs stay', async () => {
    const dayMs = 86_400_000;
    const entries = [100, 61, 1].map((daysAgo) => entryOf(new Date(Date.now() - daysAgo * dayMs)));
    await createPostgresLedgerStore(fixture.pool).append(entries);

    expect(await old.ledger(30, 1)).toBe(1);
    expect(await old.ledger(30, 10)).toBe(1);

    expect(await idsIn('ledger', 'job_id')).toEqual([entries[2]?.jobId]);
    expect(await idsIn('token_usage', 'day')).toHaveLength(2);
  });

  test('idempotency keys go once they are not in force any more', async () => {
    await run(`INSERT INTO citadel.idempotency_key VALUES ('', 'old', 'hash', 'run_1', now() - interval '26 hours'),
      ('', 'new', 'hash', 'run_2', now() - interval '23 hours')`);

    expect(await old.expired(10)).toBe(1);
    expect(await idsIn('idempotency_key', 'key')).toEqual(['new']);
  });
}

function entryOf(createdAt: Date) {
  return {
    jobId: newJobId(),
    requestId: newRequestId(),
    keyName: 'team',
    endpoint: 'chat/completions',
    model: 'm',
    modelClass: 'lightweight' as const,
    server: 's',
    attempts: 1,
    queuedMs: 1,
    firstTokenMs: 1,
    totalMs: 2,
    promptTokens: 3,
    completionTokens: 4,
    chargedTokens: 7,
    outcome: 'succeeded' as const,
    errorCode: null,

    isWaited: true,
    createdAt,
  };
}
