import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { RunId } from '../../core/ids.ts';
import { migrate } from '../../storage/migrate.ts';
import { createPostgresRunStore } from '../../storage/postgres-run-store.ts';
import { createPostgresWebhookOutbox } from '../../storage/postgres-webhook-outbox.ts';
import { change, creation, newRun } from './run-store-bundle.ts';
import type { SqlPoolFixture } from './sql-pool.suite.ts';

const START_LIMIT_MS = 60_000;
const LEASE_MS = 60_000;

/** Webhooks to be sent, on any pool. */
export function webhookOutboxSuite(start: () => Promise<SqlPoolFixture>): void {
  let fixture: SqlPoolFixture;

  beforeAll(async () => {
    fixture = await start();
    await migrate(fixture.pool);
  }, START_LIMIT_MS);
  afterAll(async () => {
    await fixture?.close();
  }, START_LIMIT_MS);

  /** A run that has ended with a webhook to tell of it. */
  async function ended(id: string): Promise<RunId> {
    const store = createPostgresRunStore(fixture.pool);
    const webhook = { url: 'https://example.com/hook', events: ['run.succeeded'], secret: 'whsec_x' };
    const run = newRun({ webhook });
    await store.commit([creation(run)]);
    const run_ = { status: 'succeeded', output: 1, error: null, tokens: 0 } as const;
    await store.commit([change(run.id, 1, { run: run_, webhook: { id, event: 'run.succeeded' } })]);
    return run.id;
  }

  const rowOf = async (id: string) =>
    (await fixture.pool.query('SELECT * FROM citadel.webhook_outbox WHERE id = $1', [id])).rows[0];

  const pass = (interval: string) =>
    fixture.pool.query('UPDATE citadel.webhook_outbox SET next_at = next_at - $1::interval', [interval]);

  test('a webhook is given to one process at a time, to another when that one is lost, and to none once it is sent', async () => {
    const outbox = createPostgresWebhookOutbox(fixture.pool);
    const runId = await ended('wh_1');

    const taken = (await Promise.all([outbox.take(5, LEASE_MS), outbox.take(5, LEASE_MS)])).flat();

    expect(taken).toEqual([
      {
        id: 'wh_1',
        runId,
        event: 'run.succeeded',
        events: ['run.succeeded'],
        createdAt: expect.any(Date),
        attempts: 0,
        url: 'https://example.com/hook',
        secret: 'whsec_x',
      },
    ]);
    await pass('61 s');
    expect(await outbox.take(5, LEASE_MS)).toMatchObject([{ id: 'wh_1' }]);
    await outbox.delivered('wh_1');
    await pass('1 day');
    expect(await outbox.take(5, LEASE_MS)).toEqual([]);
    expect(await rowOf('wh_1')).toMatchObject({ attempts: 1, sent_at: expect.any(Date), next_at: null });
  });

  test('one that has failed is due again after its delay, and never once it is given up', async () => {
    const outbox = createPostgresWebhookOutbox(fixture.pool);
    await ended('wh_2');
    await outbox.take(5, LEASE_MS);

    await outbox.failed('wh_2', 'it answered 503', 3_600_000);

    await pass('59 minutes');
    expect(await outbox.take(5, LEASE_MS)).toEqual([]);
    await pass('1 minute');
    expect(await outbox.take(5, LEASE_MS)).toMatchObject([{ id: 'wh_2', attempts: 1 }]);
    await outbox.failed('wh_2', 'NUL \0', null);
    await pass('1 day');
    expect(await outbox.take(5, LEASE_MS)).toEqual([]);
    expect(await rowOf('wh_2')).toMatchObject({ attempts: 2, given_up_at: expect.any(Date), sent_at: null });
  });
}
