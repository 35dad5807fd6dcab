import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { waitFor } from '../support/wait-for.ts';
import { errorOf, START_LIMIT_MS } from './setup.ts';
import { RUNS, setupWork, type WorkBundle } from './work-bundle.ts';

const SCHEDULES = '/api/v1/schedules';
const RFC3339 = expect.stringMatching(/^\d{4}-\d\d-\d\dT/);

let work: WorkBundle;

beforeAll(async () => {
  work = await setupWork();
  const steps = [{ id: 'a', type: 'transform', value: '${{ input.n }}' }];
  await work.ask('PUT', `${RUNS}/definitions/nightly`, { name: 'nightly', steps });
}, START_LIMIT_MS);
afterAll(() => work?.citadel.stop());

const create = (schedule: object, headers: Record<string, string> = {}) =>
  work.ask('POST', SCHEDULES, { workflow: 'nightly', ...schedule }, headers);

/** The next last Sunday of that month (from 1), from its first hour on. */
function lastSunday(month: number): string {
  for (let year = new Date().getUTCFullYear(); ; year++) {
    const end = new Date(Date.UTC(year, month, 0));
    const day = new Date(Date.UTC(year, month - 1, end.getUTCDate() - end.getUTCDay()));
    if (day.getTime() > Date.now()) return day.toISOString().slice(0, 'yyyy-mm-dd'.length);
  }
}

describe('a schedule', () => {
  test('is made, read, listed newest first and deleted', async () => {
    const made = await create({ cron: '0 3 * * *', time_zone: 'Europe/Berlin', input: { n: 1 } });

    const path = `${SCHEDULES}/${made.body.id}`;
    const schedule = {
      id: made.body.id,
      object: 'schedule',
      workflow: 'nightly',
      input: { n: 1 },
      cron: '0 3 * * *',
      time_zone: 'Europe/Berlin',
      next_at: RFC3339,
      last_at: null,
      last_run_id: null,
      last_error: null,
      created_at: RFC3339,
    };
    expect(made).toMatchObject({ status: 201, body: schedule });
    expect(made.headers.get('location')).toBe(path);
    expect(await work.ask('GET', path)).toMatchObject({ status: 200, body: schedule });
    const newer = await create({ every: '90m' });
    expect(newer.body).toMatchObject({ every: '90m', input: {} });
    const page = (await work.ask('GET', `${SCHEDULES}?limit=1`)).body;
    expect(page).toMatchObject({ object: 'list', data: [{ id: newer.body.id }], has_more: true });
    const next = (await work.ask('GET', `${SCHEDULES}?limit=1&after=${newer.body.id}`)).body;
    expect(next).toMatchObject({ data: [{ id: made.body.id }], has_more: false });

    const deleted = { status: 200, body: { id: made.body.id, object: 'schedule', deleted: true } };
    expect(await work.ask('DELETE', path)).toMatchObject(deleted);
    for (const method of ['GET', 'DELETE']) {
      expect(await work.ask(method, path)).toMatchObject({ status: 404, body: errorOf('not_found') });
    }
    await work.ask('DELETE', `${SCHEDULES}/${newer.body.id}`);
  });

  test('starts a run of its workflow with its input each time, and none after it was deleted', async () => {
    const { body } = await create({ every: '1s', input: { n: 7 } });
    const path = `${SCHEDULES}/${body.id}`;
    const runs = async () => (await work.ask('GET', `${RUNS}?workflow=nightly`)).body.data;
    await waitFor(async () => (await runs()).length >= 2, 'it has fired twice');

    const fired = (await work.ask('GET', path)).body;

    expect(fired).toMatchObject({ last_at: RFC3339, last_error: null });
    expect(await work.untilEnded(`${RUNS}/${fired.last_run_id}`)).toMatchObject({ output: 7 });
    expect(Date.parse(fired.next_at)).toBeGreaterThan(Date.parse(fired.last_at));
    await work.ask('DELETE', path);
    const ids = (await runs()).map(({ id }: { id: string }) => id);
    // A second schedule fires meanwhile: by then the first would have fired as well.
    await create({ every: '1s', input: { n: 8 } });
    const later = await waitFor(async () => {
      const fresh = (await runs()).filter(({ id }: { id: string }) => !ids.includes(id));
      return fresh.length >= 2 ? fresh : null;
    }, 'the other has fired twice');
    for (const { id } of later) {
      expect(await work.ask('GET', `${RUNS}/${id}`)).toMatchObject({ body: { input: { n: 8 } } });
    }
  });

  test('at a time that the clock skips fires when the hour has been skipped, and at one that comes twice the first time', async () => {
    const at = (month: string) => ({ cron: `30 2 * ${month} SUN#L`, time_zone: 'Europe/Berlin' });

    const skipped = await create(at('MAR'));
    const doubled = await create(at('OCT'));

    expect(skipped.body.next_at).toBe(`${lastSunday(3)}T01:00:00.000Z`);
    expect(doubled.body.next_at).toBe(`${lastSunday(10)}T00:30:00.000Z`);
  });

  test('is made once for an idempotency key, and refused with another body', async () => {
    const headers = { 'idempotency-key': 'once' };

    const first = await create({ every: '1h' }, headers);
    const again = await create({ every: '1h' }, headers);

    expect(again.body.id).toBe(first.body.id);
    expect(again.headers.get('idempotent-replayed')).toBe('true');
    expect(await create({ every: '2h' }, headers)).toMatchObject({
      status: 422,
      body: { error: { code: 'idempotency_mismatch' } },
    });
  });

  test.each([
    [{ every: '1h', workflow: 'none' }, 404, 'not_found', 'workflow'],
    [{ cron: '61 * * * *' }, 400, 'invalid_request', 'cron'],
    [{ cron: '0 0 30 2 *' }, 400, 'invalid_request', 'cron'],
    [{ cron: '* * * * *', time_zone: 'Mars/Phobos' }, 400, 'invalid_request', 'time_zone'],
    [{ every: '10ms' }, 400, 'invalid_request', 'every'],
    [{ every: 'often' }, 400, 'invalid_request', 'every'],
  ])('is refused as %j', async (schedule, status, code, param) => {
    expect(await create(schedule)).toMatchObject({ status, body: errorOf(code, { param }) });
  });
});
