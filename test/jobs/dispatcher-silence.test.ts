import { describe, expect, test } from '@jest/globals';
import { FACTS, NO_FACTS, setup, TOTAL_MS } from './dispatcher-bundle.ts';

const SILENCE_MS = 10_000;

const failedWith = (code: string) => [{ status: 'failed', error: { code } }];

describe('a request that nobody answers', () => {
  test('ends at its limit, not before, and its job is taken out', async () => {
    const { dispatch, pass, ends, states } = setup();
    await dispatch();

    await pass(TOTAL_MS - 1);
    expect(ends()).toEqual([]);
    await pass(1);

    expect(ends()).toMatchObject([{ ...failedWith('deadline_exceeded')[0], facts: NO_FACTS }]);
    expect(states.size).toBe(0);
  });

  test('ends at its limit even while pieces of its answer come, and its worker is stopped', async () => {
    const { dispatch, pass, ends, worker, cancelled } = setup();
    await dispatch();
    const { take, begin, say, inbox } = worker();
    take();
    begin();

    for (let ms = 0; ms < TOTAL_MS; ms += 1_000) {
      say('more');
      await pass(1_000);
    }

    expect(ends()).toMatchObject(failedWith('deadline_exceeded'));
    expect(await cancelled()).toEqual([inbox]);
  });

  test.each(['waiting', 'active'] as const)('goes on while its job is %s', async (status) => {
    const { dispatch, pass, ends, states, id } = setup();
    await dispatch();
    states.set(id, { status });

    for (let turn = 0; turn < 5; turn++) await pass(SILENCE_MS);

    expect(ends()).toEqual([]);
  });

  test('ends with the reason when its job is in the dead letter', async () => {
    const { dispatch, pass, ends, states, id } = setup();
    await dispatch();
    states.set(id, { status: 'dead', reason: 'stalled too often' });

    await pass(SILENCE_MS);

    expect(ends()).toMatchObject(failedWith('internal'));
    expect(ends()[0]).toMatchObject({ error: { message: expect.stringContaining('stalled too often') } });
  });

  test.each(['completed', 'missing'] as const)(
    'is looked at twice when its job is %s: the answer may be on its way',
    async (status) => {
      const { dispatch, pass, ends, states, id } = setup();
      await dispatch();
      states.set(id, { status });

      await pass(SILENCE_MS);
      expect(ends()).toEqual([]);
      await pass(1_000);

      expect(ends()).toMatchObject([{ ...failedWith('internal')[0], isLost: true }]);
    },
  );

  test('gets an answer that comes after its job was gone', async () => {
    const { dispatch, pass, ends, states, worker } = setup();
    await dispatch();
    const { take, finish } = worker();
    take();
    states.clear();

    await pass(SILENCE_MS);
    finish();
    await pass(1_000);

    expect(ends()).toEqual([{ status: 'done', body: null, facts: FACTS }]);
  });

  test('gets an answer that its process is late to read', async () => {
    const { dispatch, pass, ends, states, worker, setUnread } = setup();
    await dispatch();
    const { take, finish } = worker();
    states.clear();
    setUnread(() => {
      take();
      finish();
    });

    await pass(SILENCE_MS);
    await pass(1_000);

    expect(ends()).toEqual([{ status: 'done', body: null, facts: FACTS }]);
  });

  test('gets the second look again when its job was gone only for a while', async () => {
    const { dispatch, pass, ends, states, id } = setup();
    await dispatch();
    states.clear();
    await pass(SILENCE_MS);
    states.set(id, { status: 'active' });
    await pass(1_000);

    states.clear();
    await pass(SILENCE_MS);

    expect(ends()).toEqual([]);
  });
});

describe('a store that does not answer', () => {
  test('ends those who wait for it, after its time of grace', async () => {
    const { dispatch, pass, ends, setAway, dispatcher } = setup();
    await dispatch();
    setAway(true);

    await pass(SILENCE_MS);
    await pass(SILENCE_MS);
    expect(ends()).toEqual([]);
    await pass(SILENCE_MS);

    expect(ends()).toMatchObject(failedWith('store_unavailable'));
    expect(dispatcher.waiting()).toBe(0);
  });

  test('is forgiven when it comes back in time', async () => {
    const { dispatch, pass, ends, setAway } = setup();
    await dispatch();

    for (const away of [true, false, true, true]) {
      setAway(away);
      await pass(SILENCE_MS);
    }

    expect(ends()).toEqual([]);
  });

  test('is forgiven when an answer goes on coming through it', async () => {
    const { dispatch, pass, ends, setAway, worker } = setup();
    await dispatch();
    const { take, begin } = worker();
    setAway(true);
    await pass(SILENCE_MS);
    take();
    begin();

    await pass(SILENCE_MS);
    await pass(SILENCE_MS);

    expect(ends()).toEqual([]);
  });
});
