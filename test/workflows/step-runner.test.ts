import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { AppError } from '../../core/errors.ts';
import type { RunStore } from '../../workflows/run-store.ts';
import { START_LIMIT_MS } from '../api/setup.ts';
import { expectWithin, inTime, timeOf } from '../support/in-time.ts';
import { waitFor } from '../support/wait-for.ts';
import { type Begun, type RunnerProcess, setupRunners, task } from './runner-bundle.ts';

let bundle: Awaited<ReturnType<typeof setupRunners>>;

beforeAll(async () => {
  bundle = await setupRunners();
}, START_LIMIT_MS);

afterAll(() => bundle?.stop());

const TWO_STEPS = { steps: [task('a'), task('b', { after: ['a'] })] };

async function nextOf({ begun }: RunnerProcess, key: string): Promise<Begun> {
  return await waitFor(() => {
    const index = begun.findIndex((attempt) => attempt.key === key);
    return index < 0 ? undefined : begun.splice(index, 1)[0];
  }, `${key} has begun`);
}

/** A process, and how many runs each of its commits was for. */
function countedProcess() {
  const commits: number[] = [];
  const count = (store: RunStore): RunStore => ({
    ...store,
    commit(changes) {
      commits.push(changes.length);
      return store.commit(changes);
    },
  });
  return { counted: bundle.process({ store: count }), commits };
}

describe('a runner', () => {
  test('goes on with the next step in the commit that ends the one before', async () => {
    const process = bundle.process();
    const { counted, commits } = countedProcess();
    const id = await counted.start(TWO_STEPS);
    (await nextOf(counted, 'a')).succeed();
    (await nextOf(counted, 'b')).succeed('end');

    expect(await counted.finish(id)).toMatchObject({ status: 'succeeded', output: 'end' });
    expect(commits).toEqual([1, 1, 1]);
    expect(process.begun).toEqual([]);
  });

  test('does so for each of many runs whose steps end at the same moment, and calls nobody for them', async () => {
    const { counted: process, commits } = countedProcess();
    const ids = await Promise.all(Array.from({ length: 30 }, () => process.start(TWO_STEPS)));
    for (const key of ['a', 'b']) {
      await waitFor(() => process.begun.length === ids.length, `each ${key} has begun`);
      for (const attempt of process.begun.splice(0)) attempt.succeed();
    }
    for (const id of ids) expect(await process.finish(id)).toMatchObject({ status: 'succeeded' });
    expect(commits.reduce((sum, runs) => sum + runs)).toBe(3 * ids.length);
    expect(process.rung).toEqual([]);
  });

  test('drops the result of an attempt that has lost its lease, and keeps a record of it', async () => {
    const [zombie, other] = [bundle.process({ isDeaf: true }), bundle.process()];
    const id = await zombie.start(TWO_STEPS);
    const first = await nextOf(zombie, 'a');
    await bundle.lapse();
    await other.relay.tick();
    const second = await nextOf(other, 'a');
    expect([first.attempt, second.attempt]).toEqual([1, 2]);

    first.succeed('of the zombie', 7);
    await waitFor(
      async () => (await other.runs.attempts(id)).some(({ outcome }) => outcome === 'fenced'),
      'the result is fenced',
    );
    second.succeed('of the other', 3);
    (await nextOf(other, 'b')).succeed('end');

    expect(await other.finish(id)).toMatchObject({ status: 'succeeded' });
    expect((await other.runs.get(id))?.steps[0]).toMatchObject({ output: 'of the other', attempt: 2 });
    expect(await other.runs.attempts(id)).toMatchObject([
      { key: 'a', attempt: 1, outcome: 'fenced', tokens: 7 },
      { key: 'a', attempt: 2, outcome: 'succeeded', tokens: 3 },
      { key: 'b', attempt: 1, outcome: 'succeeded' },
    ]);
    expect((await other.runs.events(id, 0, 100)).map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  test('ends an attempt whose lease it has lost at its next heartbeat', async () => {
    const [slow, other] = [bundle.process({ isDeaf: true }), bundle.process()];
    const id = await slow.start(TWO_STEPS);
    const first = await nextOf(slow, 'a');
    await bundle.lapse();
    await other.relay.tick();
    await nextOf(other, 'a');

    await slow.runner.heartbeat();

    expect(first.signal.aborted).toBe(true);
    await other.runs.cancel(id);
  });

  test('keeps its leases by its heartbeat', async () => {
    const [one, other] = [bundle.process(), bundle.process()];
    const id = await one.start(TWO_STEPS);
    const first = await nextOf(one, 'a');
    await bundle.lapse();

    await one.runner.heartbeat();
    await other.relay.tick();

    expect(other.begun).toEqual([]);
    first.succeed();
    await nextOf(one, 'b');
    await one.runs.cancel(id);
  });

  test('stops an attempt at once when another process cancels its run', () =>
    inTime(async () => {
      const [one, other] = [bundle.process(), bundle.process()];
      const id = await one.start(TWO_STEPS);
      const { signal } = await nextOf(one, 'a');

      await other.runs.cancel(id);
      const tookMs = await timeOf(() => waitFor(() => signal.aborted, 'the attempt is stopped'));

      expect(await one.finish(id)).toMatchObject({ status: 'cancelled' });
      expectWithin(250, tookMs);
    }));

  test('hands back what does not end in its grace, and the step has lost no attempt', async () => {
    const [leaving, other] = [bundle.process(), bundle.process()];
    const id = await leaving.start({ steps: [task('a', { retry: { max: 0, delay: '1s' } })] });
    const { signal } = await nextOf(leaving, 'a');

    await Promise.all([leaving.stop(10), leaving.stop(10)]);

    expect(signal.aborted).toBe(true);
    expect((await other.runs.get(id))?.steps).toMatchObject([{ status: 'ready', failures: 0 }]);
    other.runner.look(id);
    (await nextOf(other, 'a')).succeed('done');
    expect(await other.finish(id)).toMatchObject({ status: 'succeeded', output: 'done' });
  });

  test('runs no more steps at once than it has room for, and lets each run have its turn', async () => {
    const small = bundle.process({ stepsMax: 4 });
    const wide = { steps: Array.from({ length: 12 }, (_, index) => task(`w${index}`)) };
    const first = await small.start(wide);
    await waitFor(() => small.begun.length === 4, 'four have begun');

    const second = await small.start({ steps: [task('only')] });
    expect(small.rung).toEqual(expect.arrayContaining([first, second]));
    let most = 0;
    const order: string[] = [];
    await waitFor(async () => {
      most = Math.max(most, small.begun.length);
      const next = small.begun.shift();
      if (next) order.push(next.key);
      next?.succeed();
      return order.length === 13;
    }, 'all have run');

    expect(most).toBeLessThanOrEqual(4);
    expect(order.indexOf('only')).toBeLessThan(8);
    expect((await small.finish(first)).status).toBe('succeeded');
    expect((await small.finish(second)).status).toBe('succeeded');
  });

  test('takes up what nobody sees to, when its relay looks', async () => {
    const [gone, other] = [bundle.process(), bundle.process()];
    const id = await gone.start(TWO_STEPS);
    await nextOf(gone, 'a');
    await bundle.pool.query(
      `UPDATE citadel.step SET status = 'ready', changed_at = now() - interval '2 s' WHERE run_id = $1 AND key = 'a'`,
      [id],
    );

    await other.relay.tick();

    (await nextOf(other, 'a')).succeed();
    (await nextOf(other, 'b')).succeed('end');
    expect((await other.finish(id)).output).toBe('end');
  });

  test('a step that takes longer than its timeout has failed, and is stopped', async () => {
    const process = bundle.process();
    const id = await process.start({ steps: [task('a', { timeout: '50ms' })] });
    const { signal } = await nextOf(process, 'a');

    expect(await process.finish(id)).toMatchObject({
      status: 'failed',
      error: { code: 'deadline_exceeded' },
    });
    expect(signal.aborted).toBe(true);
  });

  test('a step that is tried again waits for its delay, and says that it begins anew', async () => {
    const process = bundle.process();
    const id = await process.start({ steps: [task('a', { retry: { max: 1, delay: '30ms' } })] });
    (await nextOf(process, 'a')).fail({ code: 'bad_backend', message: 'no', class: 'transient' });

    const second = await nextOf(process, 'a');
    second.succeed();

    expect(second).toMatchObject({ attempt: 2, idempotencyKey: `${id}/a` });
    expect((await process.finish(id)).status).toBe('succeeded');
    const events = await process.eventsOf(id);
    expect(events.slice(2, 6)).toEqual([
      'step.retrying a',
      'step.reset a',
      'step.started a',
      'step.succeeded a',
    ]);
  });

  test('an output of more than 4 MiB fails its step', async () => {
    const process = bundle.process();
    const id = await process.start({ steps: [task('a')] });
    (await nextOf(process, 'a')).succeed('x'.repeat(4_194_304));
    expect(await process.finish(id)).toMatchObject({ status: 'failed', error: { code: 'output_too_large' } });
  });

  test('a step with a cache is not run again while its output is kept, for the same key of a caller', async () => {
    const process = bundle.process();
    const cached = { steps: [task('a', { cache: { ttl: '1h' } })] };
    const first = await process.start(cached);
    (await nextOf(process, 'a')).succeed('made once');
    await process.finish(first);

    expect((await process.run(cached)).output).toBe('made once');
    const foreign = await process.start(cached, {}, { keyName: 'another' });
    (await nextOf(process, 'a')).succeed('made for another');
    expect((await process.finish(foreign)).output).toBe('made for another');
  });
});

describe('while the store is away', () => {
  test('what was done is kept, and nothing of a run is lost or done twice', async () => {
    const away = { now: false };
    const process = bundle.process({ store: (store) => breakable(store, away) });
    const id = await process.start(TWO_STEPS);
    const first = await nextOf(process, 'a');

    away.now = true;
    first.succeed('kept');
    await expect(process.start(TWO_STEPS)).rejects.toMatchObject({ code: 'store_unavailable' });
    away.now = false;
    await waitFor(
      async () => (await process.runs.get(id))?.steps[0]?.status === 'succeeded',
      'it is written',
    );
    expect((await process.runs.list({ kind: 'workflow', limit: 1 })).runs).toMatchObject([{ id }]);

    (await nextOf(process, 'b')).succeed('end');
    expect(await process.finish(id)).toMatchObject({ status: 'succeeded', output: 'end' });
    expect((await process.runs.attempts(id)).map(({ outcome }) => outcome)).toEqual([
      'succeeded',
      'succeeded',
    ]);
  });

  test('a commit whose answer is lost takes place once, and its steps go on here', async () => {
    let isLost = false;
    const process = bundle.process({
      store: (store) => ({
        ...store,
        async commit(changes) {
          const outcomes = await store.commit(changes);
          if (!isLost) return outcomes;
          isLost = false;
          throw new AppError('store_unavailable', 'The answer was lost.');
        },
      }),
    });
    isLost = true;
    const id = await process.start(TWO_STEPS);
    const first = await nextOf(process, 'a');
    isLost = true;
    first.succeed();
    (await nextOf(process, 'b')).succeed('end');

    expect(await process.finish(id)).toMatchObject({ status: 'succeeded', output: 'end' });
    const attempts = await process.runs.attempts(id);
    expect(attempts.map(({ key, attempt, outcome }) => [key, attempt, outcome])).toEqual([
      ['a', 1, 'succeeded'],
      ['b', 1, 'succeeded'],
    ]);
  });
});

function breakable(store: RunStore, away: { now: boolean }): RunStore {
  const guarded = Object.entries(store).map(([name, call]) => [
    name,
    async (...args: unknown[]) => {
      if (away.now) throw new AppError('store_unavailable', 'The store is away.');
      return await (call as (...args: unknown[]) => Promise<unknown>)(...args);
    },
  ]);
  return Object.fromEntries(guarded);
}
