import { describe, expect, test } from '@jest/globals';
import { call, flow, give } from './definitions.ts';
import { play } from './run-player.ts';

const undo = { id: 'undo', type: 'http', method: 'POST', url: 'https://example.com/' };

describe('cancel', () => {
  test('a cancelled run never starts another step', () => {
    const player = play(
      flow([
        call('a'),
        { id: 'nap', type: 'sleep', for: '1h' },
        { id: 'ok', type: 'approve' },
        call('b', { after: ['a'] }),
      ]),
    );
    player.claim();
    player.send({ type: 'cancel' });
    expect(player.run.facts).toMatchObject({ status: 'cancelled', error: { code: 'cancelled' } });
    expect(['a', 'nap', 'ok', 'b'].map(player.status)).toEqual(Array(4).fill('cancelled'));
    expect(player.sleepers()).toEqual([]);
    expect([player.succeed('a').fenced.length, player.signal('ok').fenced.length]).toEqual([1, 1]);
    expect(player.claim()).toEqual([]);
    expect(player.log.at(-1)).toBe('run.cancelled');
  });

  test('a run that has not begun can be cancelled', () => {
    const player = play(flow([call('a')]));
    player.send({ type: 'cancel' });
    expect([player.run.facts.status, player.log]).toEqual(['cancelled', ['run.cancelled']]);
    expect(player.send({ type: 'start' }).steps).toEqual([]);
  });

  test('a cancelled run is compensated and does not run on_failure, and a second cancel changes nothing', () => {
    const player = play(
      flow([call('a', { compensate: undo }), call('b', { after: ['a'] })], { on_failure: [call('tell')] }),
    );
    player.claim();
    player.succeed('a');
    player.send({ type: 'cancel' });
    expect([player.run.facts.status, player.claim()]).toEqual(['running', ['a~compensate']]);
    expect(player.send({ type: 'cancel' }).steps).toEqual([]);
    player.succeed('a~compensate');
    expect(player.run.facts.status).toBe('cancelled');
    expect(player.run.step('on_failure/tell')).toBeUndefined();
  });

  test('a cancel ends what a failed run does to clean up', () => {
    const player = play(flow([call('a')], { on_failure: [{ id: 'ok', type: 'approve' }] }));
    player.claim();
    player.fail('a', { message: 'first' });
    expect(player.run.facts.status).toBe('waiting');
    player.send({ type: 'cancel' });
    expect(player.run.facts).toMatchObject({ status: 'failed', error: { message: 'first' } });
    expect(player.status('on_failure/ok')).toBe('cancelled');
  });

  test('a cancelled run can be retried', () => {
    const player = play(flow([call('a'), call('b', { after: ['a'] })]));
    player.claim();
    player.succeed('a');
    player.send({ type: 'cancel' });
    player.send({ type: 'retry' });
    expect(player.claim()).toEqual(['b']);
  });
});

describe('pause', () => {
  test('in a paused run what runs may end, and nothing begins', () => {
    const player = play(
      flow([call('a'), call('b'), call('c', { after: ['a'] }), give('d', 1, { after: ['a'] })]),
    );
    player.claim(1);
    player.send({ type: 'pause' });
    player.succeed('a');
    expect([player.claim(), player.status('c'), player.status('d')]).toEqual([[], 'pending', 'pending']);
    expect(player.run.facts.status).toBe('paused');
    player.send({ type: 'resume' });
    expect(player.status('d')).toBe('succeeded');
    expect(player.claim()).toEqual(['b', 'c']);
    player.work();
    player.succeed('b');
    player.succeed('c');
    expect(player.run.facts.status).toBe('succeeded');
  });

  test('containers go on where they were', () => {
    const player = play(
      flow([
        { id: 'fan', type: 'map', over: [1, 2, 3], concurrency: 1, steps: [call('x')] },
        { id: 'loop', type: 'loop', until: 'loop.index == 1', max_iterations: 3, steps: [call('x')] },
      ]),
    );
    player.claim();
    player.send({ type: 'pause' });
    player.succeed('fan[0]/x');
    player.succeed('loop#0/x');
    expect([player.claim(), player.status('fan[1]/x'), player.status('loop#1/x')]).toEqual([
      [],
      'pending',
      'pending',
    ]);
    player.send({ type: 'resume' });
    expect(player.claim()).toEqual(['fan[1]/x', 'loop#1/x']);
  });

  test('waits go on: a sleep that is over, a signal, a retry', () => {
    const player = play(
      flow([
        { id: 'nap', type: 'sleep', for: '1s' },
        { id: 'ok', type: 'approve' },
        call('a', { retry: { max: 1, delay: '2s' } }),
        call('end', { after: ['nap', 'ok'] }),
      ]),
    );
    player.claim();
    player.fail('a', { class: 'transient' });
    player.send({ type: 'pause' });
    player.wakeNext();
    player.wakeNext();
    player.signal('ok');
    expect(['nap', 'ok', 'a', 'end'].map(player.status)).toEqual([
      'succeeded',
      'succeeded',
      'ready',
      'pending',
    ]);
    expect(player.claim()).toEqual([]);
    player.send({ type: 'resume' });
    expect(player.claim()).toEqual(['a', 'end']);
  });

  test('a failure in a paused run is cleaned up when it is resumed', () => {
    const player = play(
      flow([call('a', { compensate: undo }), call('b', { after: ['a'] })], { on_failure: [call('tell')] }),
    );
    player.claim();
    player.succeed('a');
    player.claim();
    player.send({ type: 'pause' });
    player.fail('b');
    expect([player.run.facts.status, player.run.step('a~compensate')]).toEqual(['paused', undefined]);
    player.send({ type: 'resume' });
    player.work();
    expect(['a~compensate', 'on_failure/tell'].map(player.status)).toEqual(['succeeded', 'succeeded']);
    expect(player.run.facts.status).toBe('failed');
  });

  test('a run can be paused while it cleans up', () => {
    const player = play(
      flow([call('a', { compensate: undo }), call('b', { after: ['a'] })], {
        on_failure: [call('one'), call('two')],
      }),
    );
    player.claim();
    player.succeed('a');
    player.claim();
    player.fail('b');
    player.send({ type: 'pause' });
    expect(player.claim()).toEqual([]);
    player.send({ type: 'resume' });
    expect(player.claim()).toEqual(['a~compensate']);
    player.send({ type: 'pause' });
    player.succeed('a~compensate');
    player.send({ type: 'resume' });
    expect(player.claim()).toEqual(['on_failure/one']);
    player.send({ type: 'pause' });
    player.succeed('on_failure/one');
    player.send({ type: 'resume' });
    player.work();
    expect([player.status('on_failure/two'), player.run.facts.status]).toEqual(['succeeded', 'failed']);
  });

  test('a paused run can be cancelled', () => {
    const player = play(flow([call('a')]));
    player.send({ type: 'pause' });
    player.send({ type: 'cancel' });
    expect(player.run.facts.status).toBe('cancelled');
  });

  test('a run that is paused before it begins begins when it is resumed', () => {
    const player = play(flow([call('a')]));
    player.send({ type: 'pause' });
    expect(player.claim()).toEqual([]);
    player.send({ type: 'resume' });
    expect(player.claim()).toEqual(['a']);
  });
});

describe('deadline', () => {
  test('a run that has not ended by its deadline fails, compensates and tells', () => {
    const player = play(
      flow([call('a', { compensate: undo }), call('b', { after: ['a'] })], { on_failure: [call('tell')] }),
    );
    player.claim();
    player.succeed('a');
    player.send({ type: 'pause' });
    player.send({ type: 'deadline' });
    expect(player.run.facts).toMatchObject({ status: 'running', error: { code: 'deadline_exceeded' } });
    player.work();
    expect(player.run.facts).toMatchObject({ status: 'failed', error: { code: 'deadline_exceeded' } });
    expect(player.status('on_failure/tell')).toBe('succeeded');
  });

  test('of a run that has ended it changes nothing', () => {
    const player = play(flow([give('a')]));
    expect(player.send({ type: 'deadline' }, { type: 'cancel' }, { type: 'pause' })).toMatchObject({
      steps: [],
      events: [],
    });
  });
});

describe('token budget', () => {
  const steps = [call('a'), call('b', { after: ['a'] }), give('c', 1, { after: ['b'] })];
  const spend = (player: ReturnType<typeof play>, key: string, tokens: number) =>
    player.send({ type: 'attempt_succeeded', key, attempt: 1, output: null, tokens });

  test('a run that has used it up is paused, and each resume grants it once more', () => {
    const player = play(flow([...steps, call('d', { after: ['c'] })], { budget: { tokens: 100 } }));
    player.claim();
    spend(player, 'a', 120);
    expect([player.run.facts.status, player.run.facts.tokens, player.status('b')]).toEqual([
      'paused',
      120,
      'pending',
    ]);
    player.send({ type: 'resume' });
    player.claim();
    spend(player, 'b', 79);
    expect([player.status('c'), player.claim()]).toEqual(['succeeded', ['d']]);
    expect(spend(player, 'd', 1).events.map(({ type }) => type)).toEqual(['step.succeeded', 'run.succeeded']);
  });

  test('or fails, if the definition says so', () => {
    const player = play(flow(steps, { budget: { tokens: 100, on_exceed: 'fail' } }));
    player.claim();
    spend(player, 'a', 100);
    expect(player.run.facts).toMatchObject({ status: 'failed', error: { code: 'token_budget_exceeded' } });
    expect(['a', 'b', 'c'].map(player.status)).toEqual(['succeeded', 'cancelled', 'cancelled']);
  });
});
