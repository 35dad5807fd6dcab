import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { newRunId, type RunId } from '../../core/ids.ts';
import { migrate } from '../../storage/migrate.ts';
import { createPostgresRunStore } from '../../storage/postgres-run-store.ts';
import type { RunStore } from '../../workflows/run-store.ts';
import { change, creation, newRun, step, told, write } from './run-store-bundle.ts';
import type { SqlPoolFixture } from './sql-pool.suite.ts';

const START_LIMIT_MS = 60_000;
const WORKER = 'inbox_one';
const ODD_TEXT = `NUL \0 half \ud800 quote " back \\ ${'é'.repeat(3)} 😀`;

/** The store of runs, on any pool. */
export function runStoreSuite(start: () => Promise<SqlPoolFixture>): void {
  let fixture: SqlPoolFixture;
  let store: RunStore;

  beforeAll(async () => {
    fixture = await start();
    await migrate(fixture.pool);
    store = createPostgresRunStore(fixture.pool);
  }, START_LIMIT_MS);

  afterAll(async () => {
    await fixture?.close();
  }, START_LIMIT_MS);

  /** A run whose step 'a' is this worker's. */
  async function runningRun(parts: Parameters<typeof newRun>[0] = {}): Promise<RunId> {
    const run = newRun(parts);
    const a = write(step('a', 'running', { attempt: 1 }), { worker: WORKER });
    await store.commit([creation(run, { steps: [a], events: [told('run.started')] })]);
    return run.id;
  }

  /** As if the time of everything that waits in this run had come. */
  async function makeDue(id: RunId): Promise<void> {
    const past = `now() - interval '1 hour'`;
    await fixture.pool.query(
      `UPDATE citadel.step SET lease_until = CASE WHEN lease_until IS NOT NULL THEN ${past} END,
         wake_at = CASE WHEN wake_at IS NOT NULL THEN ${past} END, changed_at = ${past} WHERE run_id = $1`,
      [id],
    );
    await fixture.pool.query(`UPDATE citadel.run_inbox SET created_at = ${past} WHERE run_id = $1`, [id]);
    await fixture.pool.query('UPDATE citadel.run SET relay_until = NULL WHERE id = $1', [id]);
  }

  test('a run is kept with all it says, its input to the letter', async () => {
    const inputText = '{"seed":12345678901234567890,"b":1,"a":"\\u0000\\ud800"}';
    const run = newRun({
      kind: 'job',
      workflow: 'chat',
      keyName: 'team "a"',
      weight: 2.5,
      priority: 'high',
      tags: ['x', 'y "z"'],
      metadata: { note: ODD_TEXT },
      inputText,
      forkedFrom: 'run_before' as RunId,
      deadlineMs: 60_000,
      webhook: { url: 'https://example.com/', events: null, secret: 'whsec_x' },
    });

    const [outcome] = await store.commit([creation(run, { events: [told('run.started'), told('more')] })]);

    expect(outcome).toEqual({ runId: run.id, passed: true, revision: 1, lastSeq: 2, at: expect.any(Date) });
    const snapshot = await store.read(run.id, 0);
    expect(snapshot?.row).toMatchObject({
      weight: 2.5,
      inputText,
      output: undefined,
      revision: 1,
      webhook: run.webhook,
      summary: {
        id: run.id,
        kind: 'job',
        workflow: 'chat',
        status: 'running',
        keyName: 'team "a"',
        priority: 'high',
        tags: ['x', 'y "z"'],
        metadata: { note: ODD_TEXT },
        lastSeq: 2,
        parent: null,
        forkedFrom: 'run_before',
        endedAt: null,
      },
    });
    const { createdAt, deadlineAt } = snapshot?.row.summary ?? {};
    expect(Number(deadlineAt) - Number(createdAt)).toBe(60_000);
    expect(await store.read(newRunId('run'), 0)).toBeNull();
  });

  test('steps are kept with all they say, in the order in which they came to be, and read since a revision', async () => {
    const id = await runningRun();
    const waiting = step('b', 'waiting', {
      attempt: 2,
      failures: 1,
      waits: { for: 'signal', name: ODD_TEXT },
    });
    const error = { code: 'failed', message: ODD_TEXT, class: 'fatal' } as const;
    const failed = step('c', 'failed', { attempt: 1, error, lapses: 1 });
    const done = step('a', 'succeeded', { attempt: 1, endOrder: 1, output: { text: ODD_TEXT } });

    await store.commit([
      change(id, 1, {
        steps: [write(failed, { position: 2 }), write(waiting, { position: 1 }), write(done)],
      }),
    ]);

    const all = await store.read(id, 0);
    expect(all?.steps.map((row) => row.step)).toEqual([done, waiting, failed]);
    expect(await store.read(id, 2)).toMatchObject({ row: { revision: 2 }, steps: [] });
    await store.commit([
      change(id, 2, { steps: [write(step('b', 'succeeded', { output: null }), { position: 1 })] }),
    ]);
    expect((await store.read(id, 2))?.steps.map(({ step: { key, output } }) => [key, output])).toEqual([
      ['b', null],
    ]);
  });

  test('a commit that was decided on another revision changes nothing at all of its run', async () => {
    const id = await runningRun();
    const other = newRun({ parent: { runId: id, key: 'a', attempt: 1 } });

    const outcomes = await store.commit([
      change(id, 7, {
        run: { status: 'succeeded', output: 1, error: null, tokens: 5 },
        steps: [write(step('a', 'succeeded'))],
        attempts: [attemptOf('a', 1)],
        events: [told('run.succeeded')],
        signals: { kept: [{ id: `sig_${id}`, name: 'go', payload: 1 }], consumed: [] },
        messages: [{ id: `msg_${id}`, runId: id, event: { type: 'cancel' } }],
        children: [other],
        webhook: { id: `hook_${id}`, event: 'run.succeeded' },
      }),
    ]);

    expect(outcomes).toEqual([{ runId: id, passed: false }]);
    expect(await store.read(id, 0)).toMatchObject({
      row: { revision: 1, summary: { status: 'running', lastSeq: 1 } },
      steps: [{ step: { status: 'running' }, worker: WORKER }],
      signals: [],
      due: { inbox: [] },
    });
    expect(await store.events(id, 0, 10)).toHaveLength(1);
    expect(await store.summary(other.id)).toBeNull();
    const { rows } = await fixture.pool.query('SELECT 1 FROM citadel.webhook_outbox WHERE run_id = $1', [id]);
    expect(rows).toEqual([]);
  });

  test('of many runs in one commit, those that conflict do not keep the others from passing', async () => {
    const ids = await Promise.all(Array.from({ length: 20 }, () => runningRun()));
    const stale = 13;

    const outcomes = await store.commit(
      ids.map((id, index) => change(id, index === stale ? 0 : 1, { events: [told('step.succeeded')] })),
    );

    expect(outcomes.map(({ passed }) => passed)).toEqual(ids.map((_, index) => index !== stale));
    const counts = await Promise.all(ids.map(async (id) => (await store.events(id, 0, 10)).length));
    expect(counts).toEqual(ids.map((_, index) => (index === stale ? 1 : 2)));
  });

  test('a result of an attempt that does not run any more changes nothing', async () => {
    const id = await runningRun();
    const end = (attempt: number) =>
      change(id, 1, {
        fences: [{ key: 'a', attempt }],
        steps: [write(step('a', 'succeeded', { attempt }))],
      });

    expect(await store.commit([end(2)])).toEqual([{ runId: id, passed: false }]);
    expect(await store.commit([{ ...end(1), fences: [{ key: 'unknown', attempt: 1 }] }])).toEqual([
      { runId: id, passed: false },
    ]);
    expect(await store.commit([end(1)])).toMatchObject([{ passed: true }]);
  });

  test('events have no gaps and no doubles, however many write at the same time', async () => {
    const id = await runningRun();
    const writers = Array.from({ length: 8 }, async () => {
      for (let written = 0; written < 5; ) {
        const { row } = (await store.read(id, Number.MAX_SAFE_INTEGER)) ?? {};
        const [outcome] = await store.commit([
          change(id, row?.revision ?? 0, { events: [told('one'), told('two')] }),
        ]);
        if (outcome?.passed) written++;
      }
    });

    await Promise.all(writers);

    const events = await store.events(id, 0, 1_000);
    expect(events.map(({ seq }) => seq)).toEqual(Array.from({ length: 81 }, (_, index) => index + 1));
    expect(events.slice(1).map(({ type }) => type)).toEqual(
      Array.from({ length: 40 }, () => ['one', 'two']).flat(),
    );
    expect(await store.events(id, 79, 1)).toMatchObject([
      { seq: 80, data: { about: 'one' }, at: expect.any(Date) },
    ]);
  });

  test('two batches with the same runs in another order both end', async () => {
    const ids = await Promise.all(Array.from({ length: 40 }, () => runningRun()));
    const batch = (order: RunId[]) =>
      store.commit(
        order.map((id) => change(id, 1, { steps: [write(step('a', 'succeeded', { attempt: 1 }))] })),
      );

    const [one, two] = await Promise.all([batch(ids), batch(ids.toReversed())]);

    const passed = [...one, ...two].filter((outcome) => outcome.passed);
    expect(passed).toHaveLength(ids.length);
  });

  test('a run that is made twice under one id is made once', async () => {
    const run = newRun();

    expect(await store.commit([creation(run)])).toMatchObject([{ passed: true }]);
    expect(await store.commit([creation(run)])).toEqual([{ runId: run.id, passed: false }]);
  });

  test('outputs of 4 MiB, NUL and halves of surrogate pairs come back as they were', async () => {
    const id = await runningRun();
    const output = { long: 'x'.repeat(4 * 1024 * 1024), odd: ODD_TEXT };

    await store.commit([
      change(id, 1, {
        run: { status: 'succeeded', output, error: null, tokens: 3 },
        steps: [write(step('a', 'succeeded', { output }))],
        events: [{ type: 'step.succeeded', key: 'a', data: { odd: ODD_TEXT } }],
      }),
    ]);

    const record = await store.record(id);
    expect(record?.output).toEqual(output);
    expect(record?.steps[0]?.output).toEqual(output);
    expect((await store.events(id, 1, 1))[0]?.data).toEqual({ odd: ODD_TEXT });
  });

  test('an attempt is kept once; the late result of one that lost its lease makes it fenced', async () => {
    const id = await runningRun();
    const first = attemptOf('a', 1);

    await store.commit([change(id, 1, { attempts: [first] })]);
    await store.commit([change(id, 2, { attempts: [{ ...first, outcome: 'fenced' }] })]);
    await store.commit([
      change(id, 3, { attempts: [{ ...attemptOf('a', 2), outcome: 'lapsed', tokens: 0 }] }),
    ]);
    await store.commit([
      change(id, 4, { attempts: [{ ...attemptOf('a', 2), outcome: 'fenced', tokens: 9 }] }),
    ]);

    const ended = (await store.attempts(id)).filter(({ endedAt }) => endedAt !== null);
    expect(ended.map(({ attempt, outcome, tokens }) => [attempt, outcome, tokens])).toEqual([
      [1, 'succeeded', 7],
      [2, 'fenced', 9],
    ]);
    expect(ended[0]).toMatchObject({ key: 'a', facts: { server: 'sim' }, error: null });
  });

  test('an attempt that runs is listed without an end', async () => {
    const id = await runningRun();

    expect(await store.attempts(id)).toEqual([
      {
        key: 'a',
        attempt: 1,
        outcome: null,
        error: null,
        tokens: 0,
        facts: null,
        startedAt: expect.any(Date),
        endedAt: null,
      },
    ]);
  });

  test('a heartbeat keeps what is held, and names what is not any more', async () => {
    const [held, taken] = [await runningRun(), await runningRun()];
    await store.commit([
      change(taken, 1, { steps: [write(step('a', 'running', { attempt: 2 }), { worker: 'inbox_two' })] }),
    ]);
    await makeDue(held);

    const lost = await store.heartbeat(WORKER, [
      { runId: held, key: 'a', attempt: 1 },
      { runId: taken, key: 'a', attempt: 1 },
      { runId: newRunId('run'), key: 'a', attempt: 1 },
    ]);

    expect(lost).toHaveLength(2);
    expect(lost).toContainEqual({ runId: taken, key: 'a', attempt: 1 });
    expect((await store.read(held, 0))?.due.lapsed).toEqual([]);
    expect(await store.heartbeat(WORKER, [])).toEqual([]);
  });

  test("leases, wakes and deadlines are the database's clock's", async () => {
    const id = await runningRun({ deadlineMs: 3_600_000 });
    const far = write(step('b', 'waiting', { waits: { for: 'time' } }), {
      position: 1,
      wake: { afterMs: 60_000 },
    });
    const past = write(step('c', 'waiting', { waits: { for: 'time' } }), {
      position: 2,
      wake: { at: new Date('2020-01-01T00:00:00Z') },
    });

    await store.commit([change(id, 1, { steps: [far, past] })]);
    const before = await store.read(id, 2);
    await makeDue(id);
    const after = await store.read(id, 2);

    expect(before?.due).toMatchObject({ lapsed: [], wakes: ['c'], deadline: false });
    expect(before?.due.nextInMs).toBeGreaterThan(50_000);
    expect(before?.due.nextInMs).toBeLessThanOrEqual(60_000);
    expect(after?.due).toMatchObject({ lapsed: [{ key: 'a', attempt: 1 }], deadline: false });
    expect(after?.due.wakes.toSorted()).toEqual(['b', 'c']);
    const late = newRun({ deadlineMs: 0 });
    await store.commit([creation(late)]);
    expect((await store.read(late.id, 0))?.due.deadline).toBe(true);
    await store.commit([
      change(late.id, 1, { run: { status: 'failed', output: undefined, error: null, tokens: 0 } }),
    ]);
    expect((await store.read(late.id, 0))?.due).toMatchObject({ deadline: false, nextInMs: null });
  });

  test('all leases end at once for a store that has a new process', async () => {
    const id = await runningRun();

    await store.lapseAll();

    expect((await store.read(id, 0))?.due.lapsed).toEqual([{ key: 'a', attempt: 1 }]);
  });

  test('a step that is written without a wake is not woken any more', async () => {
    const id = await runningRun();
    await store.commit([change(id, 1, { steps: [write(step('b', 'waiting'), { wake: { afterMs: 0 } })] })]);

    await store.commit([change(id, 2, { steps: [write(step('b', 'succeeded'))] })]);

    expect((await store.read(id, 0))?.due.wakes).toEqual([]);
  });

  test('what is due is given to one relay at a time, and again when nothing came of it', async () => {
    const [lapsed, ready, idle] = [await runningRun(), await runningRun(), await runningRun()];
    await store.commit([change(ready, 1, { steps: [write(step('a', 'ready', { attempt: 1 }))] })]);
    await Promise.all([makeDue(lapsed), makeDue(ready)]);

    const taken = await Promise.all([1, 2, 3].map(() => store.takeDue(100, { withReady: true })));

    const ours = taken.flat().filter((id) => [lapsed, ready, idle].includes(id));
    expect(ours.toSorted()).toEqual([lapsed, ready].toSorted());
    await makeDue(ready);
    expect(await store.takeDue(100, { withReady: false })).not.toContain(ready);
    expect(await store.takeDue(100, { withReady: true })).toContain(ready);
    await store.commit([
      change(ready, 2, { run: { status: 'paused', output: undefined, error: null, tokens: 0 } }),
    ]);
    await makeDue(ready);
    expect(await store.takeDue(100, { withReady: true })).not.toContain(ready);
  });

  test('a message of one run is in the inbox of the other until that one has heeded it', async () => {
    const [parent, other] = [await runningRun(), await runningRun()];
    const child = newRun({ parent: { runId: parent, key: 'a', attempt: 1 } });
    await store.commit([
      change(parent, 1, {
        children: [child],
        messages: [{ id: `start_${child.id}`, runId: child.id, event: { type: 'start' } }],
      }),
      change(other, 1, {
        messages: [{ id: `cancel_${child.id}`, runId: child.id, event: { type: 'cancel' } }],
      }),
    ]);
    await makeDue(child.id);

    const snapshot = await store.read(child.id, 0);
    expect(snapshot?.row).toMatchObject({
      revision: 0,
      summary: { status: 'queued', parent: child.parent, startedAt: null },
    });
    expect(snapshot?.due.inbox).toHaveLength(2);
    expect(await store.takeDue(100, { withReady: false })).toContain(child.id);
    await store.commit([change(child.id, 0, { heeded: [`start_${child.id}`] })]);

    expect((await store.read(child.id, 0))?.due.inbox).toEqual([
      { id: `cancel_${child.id}`, event: { type: 'cancel' } },
    ]);
  });

  test('signals that are kept come back in their order until they are consumed', async () => {
    const id = await runningRun();
    const signal = (name: string) => ({
      id: `${name}_${id}`,
      name: `${name}\0`,
      payload: { text: ODD_TEXT },
    });
    await store.commit([change(id, 1, { signals: { kept: [signal('b')], consumed: [] } })]);
    await store.commit([change(id, 2, { signals: { kept: [signal('a')], consumed: [] } })]);

    const kept = (await store.read(id, 0))?.signals;
    await store.commit([change(id, 3, { signals: { kept: [], consumed: [`b_${id}`] } })]);

    expect(kept).toEqual([
      { ...signal('b'), name: 'b\ufffd' },
      { ...signal('a'), name: 'a\ufffd' },
    ]);
    expect((await store.read(id, 0))?.signals.map(({ id: kept }) => kept)).toEqual([`a_${id}`]);
  });

  test('an idempotency key makes one run, however many ask, also in one batch', async () => {
    const claim = { owner: 'one', key: newRunId('run'), bodyHash: 'h' };
    const runs = Array.from({ length: 6 }, () => newRun());
    const creations = runs.map((run) => creation(run, { idempotency: claim }));

    const outcomes = await Promise.all([
      store.commit(creations.slice(0, 3)),
      ...creations.slice(3).map((one) => store.commit([one])),
    ]);

    const passed = outcomes.flat().filter((outcome) => outcome.passed);
    expect(passed).toHaveLength(1);
    expect(await store.idempotent(claim)).toEqual({ runId: passed[0]?.runId, bodyHash: 'h' });
    expect(await store.idempotent({ ...claim, owner: 'two' })).toBeNull();
  });

  test('an idempotency key is free again after a day', async () => {
    const claim = { owner: '', key: newRunId('run'), bodyHash: 'h' };
    const [first, second] = [newRun(), newRun()];
    await store.commit([creation(first, { idempotency: claim })]);
    await fixture.pool.query(
      `UPDATE citadel.idempotency_key SET created_at = created_at - interval '25 hours' WHERE key = $1`,
      [claim.key],
    );

    expect(await store.idempotent(claim)).toBeNull();
    expect(await store.commit([creation(second, { idempotency: claim })])).toMatchObject([{ passed: true }]);
    expect(await store.idempotent(claim)).toMatchObject({ runId: second.id });
  });

  test('as many runs of a concurrency key are admitted as may be at work, the oldest first', async () => {
    const concurrency = { key: newRunId('run'), limit: 2 };
    const runs = Array.from({ length: 4 }, () => newRun({ concurrency }));
    for (const run of runs) {
      const queued = { status: 'queued', output: undefined, error: null, tokens: 0 } as const;
      await store.commit([creation(run, { run: queued, isBegun: false })]);
    }
    const [first] = runs.map(({ id }) => id);
    if (!first) throw new Error('no run');

    const admitted = (await Promise.all([store.admit(), store.admit()])).flat();
    expect(admitted.toSorted()).toEqual(
      runs
        .slice(0, 2)
        .map(({ id }) => id)
        .toSorted(),
    );
    expect(await store.admit()).toEqual([]);
    const done = { status: 'succeeded', output: 1, error: null, tokens: 0 } as const;
    await store.commit([change(first, 1, { run: done, heeded: [`start_${first}`] })]);

    expect(await store.admit()).toEqual([runs[2]?.id]);
  });

  test('a list holds the newest first, by page and by every filter', async () => {
    const workflow = newRunId('run');
    const make = async (parts: Parameters<typeof newRun>[0]) => {
      const run = newRun({ workflow, ...parts });
      await store.commit([creation(run)]);
      return run.id;
    };
    const a = await make({ tags: ['red'], keyName: 'one' });
    const b = await make({ keyName: 'two' });
    const c = await make({ tags: ['red', 'blue'] });
    await store.commit([
      change(b, 1, { run: { status: 'failed', output: undefined, error: null, tokens: 0 } }),
    ]);
    const list = async (filter: object) => {
      const { runs, hasMore } = await store.list({ kind: 'workflow', limit: 10, workflow, ...filter });
      return [...runs.map(({ id }) => id), ...(hasMore ? ['more'] : [])];
    };

    expect(await list({})).toEqual([c, b, a]);
    expect(await list({ limit: 2 })).toEqual([c, b, 'more']);
    expect(await list({ limit: 2, after: b })).toEqual([a]);
    expect(await list({ statuses: ['failed'] })).toEqual([b]);
    expect(await list({ tag: 'red' })).toEqual([c, a]);
    expect(await list({ keyName: 'one' })).toEqual([a]);
    expect(await list({ keyName: null })).toEqual([c]);
    expect(await list({ kind: 'job' })).toEqual([]);
    expect(await list({ since: new Date(Date.now() + 60_000) })).toEqual([]);
  });
}

function attemptOf(key: string, attempt: number) {
  const outcome = 'succeeded' as const;
  return { key, attempt, worker: WORKER, outcome, error: null, tokens: 7, facts: { server: 'sim' } };
}
