import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { AppError } from '../../core/errors.ts';
import { newRunId, type RunId } from '../../core/ids.ts';
import { createLogger } from '../../core/logger.ts';
import { migrate } from '../../storage/migrate.ts';
import { createPostgresScheduleStore } from '../../storage/postgres-schedule-store.ts';
import type { Definitions } from '../../workflows/definitions.ts';
import type { Runs, WorkflowRequest } from '../../workflows/runs.ts';
import type { ScheduleStore } from '../../workflows/schedule-store.ts';
import { createSchedules, type ScheduleRequest } from '../../workflows/schedules.ts';
import type { SqlPoolFixture } from './sql-pool.suite.ts';

const START_LIMIT_MS = 60_000;

const REQUEST: ScheduleRequest = {
  keyName: null,
  weight: 1,
  workflow: 'nightly',
  input: { text: 'NUL \u0000 \ud800' },
  timing: { everyMs: 60_000 },
  idempotency: null,
};

/** Schedules on any pool; runs are started by a stand-in that keeps to the idempotency key as the real one does. */
export function schedulesSuite(start: () => Promise<SqlPoolFixture>): void {
  let fixture: SqlPoolFixture;
  let store: ScheduleStore;

  beforeAll(async () => {
    fixture = await start();
    await migrate(fixture.pool);
    store = createPostgresScheduleStore(fixture.pool);
  }, START_LIMIT_MS);
  afterEach(async () => {
    await fixture.pool.query('DELETE FROM citadel.schedule');
    await fixture.pool.query('DELETE FROM citadel.idempotency_key');
  });
  afterAll(async () => {
    await fixture?.close();
  }, START_LIMIT_MS);

  function setup() {
    const started: WorkflowRequest[] = [];
    const byKey = new Map<string, RunId>();
    let failure: AppError | null = null;
    const start = async (request: WorkflowRequest) => {
      if (failure) throw failure;
      const key = request.idempotency?.key ?? '';
      const known = byKey.get(key);
      const id = known ?? newRunId('run');
      byKey.set(key, id);
      if (!known) started.push(request);
      return { run: { id }, replayed: known !== undefined } as Awaited<ReturnType<Runs['start']>>;
    };
    const get = async (name: string) =>
      name === 'nightly' ? ({ name } as Awaited<ReturnType<Definitions['get']>>) : null;
    const create = () =>
      createSchedules({
        store,
        runs: { start },
        definitions: { get },
        whyEnded: (keyName) => (keyName === 'ended' ? 'The key has ended.' : null),
        logger: createLogger({ level: 'silent' }),
      });
    return {
      schedules: create(),
      other: create(),
      started,
      fail(error: AppError | null) {
        failure = error;
      },
      /** As if so much time had passed. */
      async pass(interval: string) {
        await fixture.pool.query(
          'UPDATE citadel.schedule SET next_at = next_at - $1::interval, created_at = created_at - $1::interval',
          [interval],
        );
      },
    };
  }

  describe('a schedule', () => {
    test('is kept as it was made, listed newest first, by key, and gone when it is removed', async () => {
      const { schedules } = setup();
      const { schedule: first } = await schedules.create(REQUEST);
      const timing = { cron: '0 9 * * *', timeZone: 'Europe/Berlin' };
      const { schedule: second } = await schedules.create({
        ...REQUEST,
        keyName: 'app',
        timing,
        weight: 2.5,
      });

      expect(await schedules.get(first.id)).toEqual(first);
      const { idempotency: _, ...asked } = REQUEST;
      expect(first).toMatchObject({ ...asked, lastFireAt: null });
      expect(second).toMatchObject({ timing, weight: 2.5, keyName: 'app', nextAt: expect.any(Date) });
      const ids = async (query: object) =>
        (await schedules.list({ limit: 10, ...query })).schedules.map(({ id }) => id);
      expect(await ids({})).toEqual([second.id, first.id]);
      expect(await ids({ keyName: 'app' })).toEqual([second.id]);
      expect(await ids({ keyName: null })).toEqual([first.id]);
      expect(await ids({ after: second.id })).toEqual([first.id]);
      expect(await schedules.list({ limit: 1 })).toMatchObject({
        hasMore: true,
        schedules: [{ id: second.id }],
      });
      expect(await schedules.remove(first.id)).toBe(true);
      expect(await schedules.remove(first.id)).toBe(false);
      expect(await schedules.get(first.id)).toBeNull();
    });

    test('of a workflow that is not there, or of a cron expression that is none, is refused', async () => {
      const { schedules } = setup();

      await expect(schedules.create({ ...REQUEST, workflow: 'none' })).rejects.toMatchObject({
        code: 'not_found',
        param: 'workflow',
      });
      const timing = { cron: '* *', timeZone: 'UTC' };
      await expect(schedules.create({ ...REQUEST, timing })).rejects.toMatchObject({ param: 'cron' });
      expect(await schedules.list({ limit: 1 })).toMatchObject({ schedules: [] });
    });

    test('is made once for one idempotency key, and refused for the same key with another body', async () => {
      const { schedules, other } = setup();
      const request = { ...REQUEST, idempotency: { key: 'once', bodyHash: 'a' } };

      const both = await Promise.all([schedules.create(request), other.create(request)]);

      expect(new Set(both.map(({ schedule }) => schedule.id)).size).toBe(1);
      expect(both.map(({ replayed }) => replayed).sort()).toEqual([false, true]);
      const another = { ...request, idempotency: { key: 'once', bodyHash: 'b' } };
      await expect(schedules.create(another)).rejects.toMatchObject({ code: 'idempotency_mismatch' });
      await expect(schedules.create({ ...another, keyName: 'app' })).resolves.toMatchObject({
        replayed: false,
      });
    });
  });

  describe('a schedule whose time has come', () => {
    test('starts one run for it, as its key, however many processes look', async () => {
      const { schedules, other, started, pass } = setup();
      const { schedule } = await schedules.create({ ...REQUEST, keyName: 'app', weight: 3 });
      await schedules.tick();
      expect(started).toEqual([]);
      await pass('61 s');

      await Promise.all([schedules.tick(), other.tick(), schedules.tick()]);
      await other.tick();

      expect(started).toEqual([
        {
          workflow: 'nightly',
          input: REQUEST.input,
          keyName: 'app',
          weight: 3,
          idempotency: { key: expect.stringMatching(/^ sched_/), bodyHash: schedule.id },
        },
      ]);
      const after = await schedules.get(schedule.id);
      expect(after).toMatchObject({ lastRunId: expect.stringMatching(/^run_/), lastError: null });
      expect(after?.nextAt?.getTime()).toBeGreaterThan(Date.now());
    });

    test('while every process was down fires once for all the times that it has missed', async () => {
      const { schedules, started, pass } = setup();
      await schedules.create(REQUEST);
      await pass('2 days');

      await schedules.tick();
      await schedules.tick();

      expect(started).toHaveLength(1);
    });

    test('fires for it once, also when the process dies between the run and the note of it', async () => {
      const { schedules, other, started, pass } = setup();
      const { schedule } = await schedules.create(REQUEST);
      await pass('61 s');
      const before = (await schedules.get(schedule.id))?.nextAt;
      await schedules.tick();

      await fixture.pool.query('UPDATE citadel.schedule SET next_at = $1', [before]);
      await other.tick();

      expect(started).toHaveLength(1);
    });

    test('waits for a store that is away, and says why where no run can be started', async () => {
      const { schedules, started, pass, fail } = setup();
      const { schedule } = await schedules.create(REQUEST);
      await pass('61 s');

      fail(new AppError('store_unavailable', 'away'));
      await expect(schedules.tick()).rejects.toMatchObject({ code: 'store_unavailable' });
      expect((await schedules.get(schedule.id))?.lastFireAt).toBeNull();
      fail(null);
      await schedules.tick();
      expect(started).toHaveLength(1);

      fail(new AppError('not_found', 'There is no workflow `nightly`.'));
      await pass('61 s');
      await schedules.tick();
      expect(await schedules.get(schedule.id)).toMatchObject({
        lastRunId: null,
        lastError: 'There is no workflow `nightly`.',
      });
    });
  });
}
