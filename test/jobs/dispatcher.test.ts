import { describe, expect, test } from '@jest/globals';
import { AppError } from '../../core/errors.ts';
import { newInboxId, newJobId } from '../../core/ids.ts';
import { waitFor } from '../support/wait-for.ts';
import { FACTS, NO_FACTS, START, setup } from './dispatcher-bundle.ts';
import { STORE_AWAY } from './memory-queues.ts';

const DONE = { status: 'done', body: null, facts: FACTS };

describe('a dispatched request', () => {
  test('is in its queue once dispatch resolves', async () => {
    const { dispatch, states, id, dispatcher } = setup();

    await dispatch();

    expect(states.get(id)).toEqual({ status: 'waiting' });
    expect(dispatcher.waiting()).toBe(1);
  });

  test('counts as queued in its class until a worker takes it', async () => {
    const { dispatch, worker, line } = setup();
    await dispatch();
    expect(line.size).toBe(1);
    const { take, finish } = worker();

    take();
    expect(line.size).toBe(0);
    finish();

    expect(line.size).toBe(0);
  });

  test('whose caller leaves while it is being added is taken out of its queue again', async () => {
    const { dispatch, states, id, dispatcher, line } = setup();

    const adding = dispatch();
    dispatcher.cancel(id);
    await adding;

    await waitFor(() => !states.has(id), 'the job is gone');
    expect(line.size).toBe(0);
  });

  test('hears its answer in order, and its end once', async () => {
    const { dispatch, worker, told, dispatcher } = setup();
    await dispatch();
    const { take, begin, say, finish } = worker();

    take();
    begin();
    say('1', '2');
    say('3');
    finish();
    finish();
    say('4');

    expect(told).toEqual([
      'taken',
      { started: START },
      { chunks: ['1', '2'] },
      { chunks: ['3'] },
      { end: DONE },
    ]);
    expect(dispatcher.waiting()).toBe(0);
  });

  test('gets the body of an answer that is not streamed', async () => {
    const { dispatch, worker, ends } = setup();
    await dispatch();
    const { take, finish } = worker();

    take();
    finish('{"id":1}');

    expect(ends()).toEqual([{ ...DONE, body: '{"id":1}' }]);
  });

  test("fails with the worker's error, all of it", async () => {
    const { dispatch, worker, ends } = setup();
    await dispatch();
    const { take, fail } = worker();

    take();
    fail({
      code: 'rate_limit_exceeded',
      message: 'full',
      param: 'model',
      retryAfterSeconds: 7,
      reported: { type: 't', code: 'c' },
    });

    const [end] = ends();
    expect(end).toMatchObject({ status: 'failed', facts: FACTS });
    expect(end?.status === 'failed' && { ...end.error, message: end.error.message }).toMatchObject({
      code: 'rate_limit_exceeded',
      message: 'full',
      param: 'model',
      retryAfterSeconds: 7,
      reported: { type: 't', code: 'c' },
    });
  });

  test('is told apart from the others', async () => {
    const { dispatch, dispatcher, job, worker, ends } = setup();
    await dispatch();
    await dispatcher.dispatch(newJobId(), job, 2, {
      onQueued: () => {},
      onTaken: () => {
        throw new Error('not for me');
      },
      onStarted: () => {},
      onChunks: () => {},
      onEnd: () => {},
    });
    const { take, finish } = worker();

    take();
    finish();

    expect(ends()).toEqual([DONE]);
    expect(dispatcher.waiting()).toBe(1);
  });

  test('ends with all the others when that is asked for, and its job does not run', async () => {
    const { dispatch, dispatcher, ends, states } = setup();
    await dispatch();
    const error = new AppError('overloaded', 'shutting down');

    dispatcher.endAll(error);
    dispatcher.endAll(error);

    expect(ends()).toEqual([{ status: 'failed', error, facts: NO_FACTS }]);
    expect(states.size).toBe(0);
  });

  test('hears nothing more once the dispatcher is closed', async () => {
    const { dispatch, dispatcher, worker, told } = setup();
    await dispatch();

    dispatcher.close();
    dispatcher.close();
    worker().take();

    expect(told).toEqual([]);
  });
});

describe('an add that the store does not confirm', () => {
  test("ends the request with the store's error; should the job be there, no worker keeps it", async () => {
    const { dispatch, setAway, ends, worker, cancelled } = setup();
    setAway(true);

    await dispatch();
    expect(ends()).toEqual([{ status: 'failed', error: STORE_AWAY, facts: NO_FACTS }]);
    expect(await cancelled()).toEqual(['all']);

    const late = worker();
    late.take();
    expect(await cancelled()).toEqual(['all', late.inbox]);
  });

  test('does not end a request whose job a worker has taken all the same', async () => {
    const { dispatch, setAway, ends, worker, cancelled } = setup();
    const { take, finish } = worker();
    setAway(true);

    const dispatched = dispatch();
    take();
    await dispatched;
    finish();

    expect(ends()).toEqual([DONE]);
    expect(await cancelled()).toEqual([]);
  });
});

describe("a caller's leaving", () => {
  test('takes a waiting job out of its queue, and tells nobody', async () => {
    const { dispatch, dispatcher, id, states, told, cancelled } = setup();
    await dispatch();

    dispatcher.cancel(id);

    expect(await cancelled()).toEqual([]);
    expect([states.size, dispatcher.waiting(), told]).toEqual([0, 0, []]);
  });

  test('stops the worker that has the job, and no listener hears of it', async () => {
    const { dispatch, dispatcher, id, told, worker, cancelled } = setup();
    await dispatch();
    const { take, say, finish, inbox } = worker();
    take();

    dispatcher.cancel(id);
    dispatcher.cancel(id);
    say('late');
    finish();

    expect(await cancelled()).toEqual([inbox]);
    expect(told).toEqual(['taken']);
  });

  test('is told to every worker while nobody knows which has the job', async () => {
    const { dispatch, dispatcher, id, states, cancelled } = setup();
    await dispatch();
    states.set(id, { status: 'active' });

    dispatcher.cancel(id);

    expect(await cancelled()).toEqual(['all']);
  });

  test('stops the worker that takes the job only then', async () => {
    const { dispatch, dispatcher, id, worker, cancelled } = setup();
    await dispatch();
    dispatcher.cancel(id);
    const { take, inbox } = worker();

    take();

    expect(await cancelled()).toEqual([inbox]);
  });
});

describe('frames of another attempt, or out of sequence,', () => {
  test('never reach a listener when they are old or come twice', async () => {
    const { dispatch, worker, told } = setup();
    await dispatch();
    const first = worker(1);
    const second = worker(2);
    first.take();
    second.take();
    second.begin();

    first.begin();
    first.say('of the first attempt');
    second.sendAt(1, { type: 'started', ...START });
    second.say('right');
    first.finish();

    expect(told).toEqual(['taken', 'taken', { started: START }, { chunks: ['right'] }]);
  });

  test('end the request and stop the worker where one was lost', async () => {
    const { dispatch, worker, ends, cancelled } = setup();
    await dispatch();
    const { take, skip, say, finish, inbox } = worker();
    take();

    skip();
    say('after a gap');
    finish();

    expect(ends()).toMatchObject([{ status: 'failed', error: { code: 'internal' } }]);
    expect(await cancelled()).toEqual([inbox]);
  });

  test('stop every worker where the lost one would have said which has the job', async () => {
    const { dispatch, worker, ends, states, id, cancelled } = setup();
    await dispatch();
    states.set(id, { status: 'active' });
    worker(1).take();
    const { skip, begin } = worker(2);

    skip();
    begin();

    expect(ends()).toMatchObject([{ status: 'failed', error: { code: 'internal' } }]);
    expect(await cancelled()).toEqual(['all']);
  });

  test.each([
    ['its head', (_: (text: string) => void) => {}],
    ['a part', (say: (text: string) => void) => say('part')],
  ])('end a request that has seen %s of an answer, and stop the new worker', async (_, proceed) => {
    const { dispatch, worker, told, ends, cancelled } = setup();
    await dispatch();
    const first = worker(1);
    const second = worker(2);
    first.take();
    first.begin();
    proceed(first.say);
    const toldBefore = told.length;

    second.take();
    second.begin();
    second.say('from the start');

    expect(told).toHaveLength(toldBefore + 1);
    expect(ends()).toMatchObject([{ error: { code: 'bad_backend' }, facts: { server: 'a', attempts: 1 } }]);
    expect(await cancelled()).toEqual([second.inbox]);
  });
});

describe('a worker that asks whether anybody waits', () => {
  test('is answered by whoever added the job', async () => {
    const { dispatch, queues, id, sent } = setup();
    const from = newInboxId();
    await dispatch();
    const unknown = newJobId();

    await queues.bus.send(queues.bus.inbox, { kind: 'ask', jobId: id, from });
    await queues.bus.send(queues.bus.inbox, { kind: 'ask', jobId: unknown, from });

    expect(sent.filter(({ to }) => to === from).map(({ message }) => message)).toEqual([
      { kind: 'waiting', jobId: id, waiting: true },
      { kind: 'waiting', jobId: unknown, waiting: false },
    ]);
  });
});
