import { describe, expect, test } from '@jest/globals';
import type { StepError } from '../../workflows/run-state.ts';
import { call, flow, give } from './definitions.ts';
import { play } from './run-player.ts';

const TRANSIENT = { class: 'transient' } as const;

describe('attempts', () => {
  test('a step without retry has one attempt', () => {
    const player = play(flow([call('a')]));
    player.claim();
    player.fail('a', TRANSIENT);
    expect(player.run.facts).toMatchObject({ status: 'failed', error: { code: 'bad_backend' } });
    expect(player.step('a')).toMatchObject({ status: 'failed', attempt: 1, failures: 1 });
  });

  test('a step is tried again with growing delays, as often as its retry says', () => {
    const player = play(flow([call('a', { retry: { max: 3, delay: '1s', max_delay: '3s' } })]));
    const times = [];
    for (;;) {
      player.work(() => ({ error: { code: 'bad_backend', message: 'no', ...TRANSIENT } }));
      if (player.wakeNext() === null) break;
      times.push(player.nowMs);
    }
    expect(times).toEqual([1_000, 3_000, 6_000]);
    expect(player.step('a')).toMatchObject({ status: 'failed', attempt: 4, failures: 4 });
  });

  test('a delay grows by its jitter and never shrinks, and the server may ask for a longer one', () => {
    const player = play(flow([call('a', { retry: { max: 9, backoff: 'fixed', delay: '2s' } })]));
    const delayOf = (random: number, retryAfterMs?: number) => {
      player.claim();
      const { attempt } = player.step('a');
      const error: StepError = { code: 'bad_backend', message: 'no', class: 'transient' };
      if (retryAfterMs !== undefined) error.retryAfterMs = retryAfterMs;
      const { steps } = player.send({ type: 'attempt_failed', key: 'a', attempt, error, tokens: 0, random });
      player.wakeNext();
      return steps[0]?.wake;
    };
    expect([delayOf(0), delayOf(1), delayOf(0, 9_000), delayOf(0, 1)]).toEqual(
      [2_000, 2_500, 9_000, 2_000].map((afterMs) => ({ afterMs })),
    );
  });

  test('a step is tried again only for what its retry names, and never for what cannot succeed', () => {
    const attemptsOf = (failure: StepError['class'], on?: string[]) => {
      const player = play(flow([call('a', { retry: { max: 1, delay: '1s', on } })]));
      player.claim();
      player.fail('a', { class: failure });
      return player.wakeNext() === null ? 1 : 2;
    };
    expect(['transient', 'timeout', 'invalid_output'].map((name) => attemptsOf(name as 'timeout'))).toEqual([
      2, 2, 2,
    ]);
    expect(attemptsOf('fatal')).toBe(1);
    expect([attemptsOf('timeout', ['timeout']), attemptsOf('transient', ['timeout'])]).toEqual([2, 1]);
  });

  test('a rate limit or a store that is away puts the step back and uses no attempt, later each time', () => {
    const player = play(flow([call('a')]));
    const times = [];
    for (const failure of ['rate_limited', 'store', 'rate_limited', 'store'] as const) {
      player.claim();
      player.fail('a', { class: failure });
      player.wakeNext();
      times.push(player.nowMs);
    }
    expect(times).toEqual([1_000, 3_000, 7_000, 15_000]);
    expect(player.step('a')).toMatchObject({ status: 'ready', attempt: 4, failures: 0 });
    player.work();
    expect(player.run.facts.status).toBe('succeeded');
  });

  test('an attempt that is handed back is ready at once', () => {
    const player = play(flow([call('a')]));
    player.claim();
    player.fail('a', { class: 'cancelled' });
    expect(player.step('a')).toMatchObject({ status: 'ready', failures: 0 });
    expect(player.claim()).toEqual(['a']);
    expect(player.log.slice(-2)).toEqual(['step.reset a', 'step.started a']);
  });

  test('a step whose worker is lost runs again at once, but not without end', () => {
    const player = play(flow([call('a')]));
    let runs = 0;
    for (; player.claim().length > 0; runs += 1) {
      player.send({ type: 'lease_lapsed', key: 'a', attempt: player.step('a').attempt, random: 0 });
    }
    expect(runs).toBe(9);
    expect(player.run.facts).toMatchObject({ status: 'failed', error: { code: 'worker_lost' } });
  });
});

describe('fencing', () => {
  test('a completion counts once, and only for the attempt that runs', () => {
    const player = play(flow([call('a', { retry: { max: 1, delay: '1s' } }), call('b')]));
    player.claim();
    const late = { type: 'attempt_succeeded', key: 'a', attempt: 1, output: 'late', tokens: 5 } as const;
    player.fail('a', TRANSIENT);
    player.wakeNext();
    player.claim();
    const before = { ...player.run.facts };
    const { steps, events, fenced, run } = player.send(late);
    expect({ steps, events, fenced, run }).toEqual({ steps: [], events: [], fenced: [late], run: before });
    player.succeed('a', 'second');
    expect(player.send({ ...late, attempt: 2 }).fenced).toHaveLength(1);
    expect(player.step('a').output).toBe('second');
  });

  test('of two completions in one decision the first counts', () => {
    const player = play(flow([call('a')]));
    player.claim();
    const done = { type: 'attempt_succeeded', key: 'a', attempt: 1, tokens: 0 } as const;
    const { fenced } = player.send({ ...done, output: 1 }, { ...done, output: 2 });
    expect([player.run.facts.output, fenced]).toEqual([1, [{ ...done, output: 2 }]]);
  });
});

describe('the end of a failed run', () => {
  test('a run that fails cancels what runs, and drops its late results', () => {
    const player = play(flow([call('a'), call('b'), call('c', { after: ['b'] })]));
    player.claim();
    player.fail('a');
    expect(['a', 'b', 'c'].map(player.status)).toEqual(['failed', 'cancelled', 'cancelled']);
    expect(player.run.facts.status).toBe('failed');
    expect(player.succeed('b').fenced).toHaveLength(1);
  });

  test('a fail step fails the run with its message', () => {
    const player = play(flow([{ id: 'stop', type: 'fail', message: 'not ${{ input.what }}' }]), {
      what: 'now',
    });
    expect(player.run.facts).toMatchObject({
      status: 'failed',
      error: { code: 'failed', message: 'not now' },
    });
  });

  const pay = (id: string, fields = {}) =>
    call(id, {
      compensate: {
        id: 'undo',
        type: 'http',
        method: 'POST',
        url: 'https://example.com/${{ steps.ID.output }}'.replace('ID', id),
      },
      ...fields,
    });

  test('what succeeded is compensated, the latest first, one at a time, then on_failure runs', () => {
    const player = play(
      flow([pay('a'), pay('b'), pay('c', { after: ['a', 'b'] }), call('d', { after: ['c'] })], {
        on_failure: [give('tell', '${{ steps.d.error.message + steps.a.status }}'), call('call')],
      }),
    );
    player.claim();
    player.succeed('b');
    player.succeed('a');
    player.work(({ key }) =>
      key === 'd' ? { error: { code: 'x', message: 'broke', class: 'fatal' } } : { output: key },
    );
    expect(player.log.slice(-11)).toEqual(
      [
        'step.failed d',
        'step.started c~compensate',
        'step.succeeded c~compensate',
        'step.started a~compensate',
        'step.succeeded a~compensate',
        'step.started b~compensate',
        'step.succeeded b~compensate',
        'step.succeeded on_failure/tell',
        'step.started on_failure/call',
        'step.succeeded on_failure/call',
        'run.failed',
      ].slice(-11),
    );
    expect(player.step('on_failure/tell').output).toBe('brokesucceeded');
    expect(player.run.facts).toMatchObject({ status: 'failed', error: { message: 'broke' } });
  });

  test('a compensation that fails does not keep the others from running, nor the error from being told', () => {
    const player = play(flow([pay('a'), pay('b', { after: ['a'] }), call('c', { after: ['b'] })]));
    player.work(({ key }) =>
      key === 'c' || key === 'b~compensate'
        ? { error: { code: key, message: key, class: 'fatal' } }
        : { output: key },
    );
    expect(['a~compensate', 'b~compensate'].map(player.status)).toEqual(['succeeded', 'failed']);
    expect(player.run.facts).toMatchObject({ status: 'failed', error: { code: 'c' } });
  });

  test('steps in a map are compensated too, seeing their item', () => {
    const undo = { id: 'undo', type: 'transform', value: '${{ [item, steps.pay.output] }}' };
    const player = play(
      flow([
        { id: 'fan', type: 'map', over: ['x', 'y'], steps: [call('pay', { compensate: undo })] },
        call('after', { after: ['fan'] }),
      ]),
    );
    player.work(({ key }) =>
      key === 'after' ? { error: { code: 'x', message: 'x', class: 'fatal' } } : { output: key },
    );
    expect(player.step('fan[0]/pay~compensate').output).toEqual(['x', 'fan[0]/pay']);
    expect(player.step('fan[1]/pay~compensate').output).toEqual(['y', 'fan[1]/pay']);
    expect(player.run.facts.status).toBe('failed');
  });

  test('a failure in on_failure ends it', () => {
    const player = play(flow([call('a')], { on_failure: [call('one'), call('two')] }));
    player.claim();
    player.fail('a', { message: 'first' });
    player.claim();
    player.fail('on_failure/one');
    expect(player.status('on_failure/two')).toBe('cancelled');
    expect(player.run.facts).toMatchObject({ status: 'failed', error: { message: 'first' } });
  });
});

describe('retry of a run', () => {
  test('what failed and was cancelled runs again, what succeeded stays', () => {
    const player = play(flow([call('a'), call('b'), call('c'), call('d', { after: ['a', 'b', 'c'] })]));
    player.claim();
    player.succeed('a');
    player.fail('b');
    player.send({ type: 'retry' });
    expect(player.run.facts).toMatchObject({ status: 'running', error: null });
    expect(player.claim()).toEqual(['b', 'c']);
    expect(player.step('b')).toMatchObject({ attempt: 2, failures: 0 });
    player.succeed('b');
    player.succeed('c');
    player.work();
    expect(player.run.facts).toEqual({ status: 'succeeded', output: 'd', error: null, tokens: 0 });
  });

  test('a map goes on with the items that failed or never ran', () => {
    const player = play(
      flow([
        { id: 'fan', type: 'map', over: [1, 2, 3, 4], concurrency: 2, steps: [call('one'), call('two')] },
      ]),
    );
    player.claim();
    player.succeed('fan[0]/one');
    player.fail('fan[1]/one');
    player.send({ type: 'retry' });
    expect(player.claim()).toEqual(['fan[0]/two', 'fan[1]/one']);
    player.succeed('fan[0]/two');
    player.succeed('fan[1]/one');
    player.work();
    expect(player.run.facts.output).toEqual(['fan[0]/two', 'fan[1]/two', 'fan[2]/two', 'fan[3]/two']);
  });

  test('a loop goes on in the turn that failed', () => {
    const player = play(
      flow([{ id: 'loop', type: 'loop', until: 'loop.index == 2', max_iterations: 5, steps: [call('x')] }]),
    );
    player.claim();
    player.succeed('loop#0/x');
    player.claim();
    player.fail('loop#1/x');
    player.send({ type: 'retry' });
    player.work();
    expect(player.run.facts.output).toBe('loop#2/x');
    expect(player.step('loop#0/x').attempt).toBe(1);
  });

  test('what was compensated is done again, with what built on it, and can be compensated again', () => {
    const undo = { id: 'undo', type: 'http', method: 'POST', url: 'https://example.com/' };
    const player = play(
      flow([
        call('pay', { compensate: undo }),
        call('ship', { after: ['pay'] }),
        call('x', { after: ['ship'] }),
      ]),
    );
    const run = (isWell: boolean) =>
      player.work(({ key }) =>
        key === 'x' && !isWell ? { error: { code: 'x', message: 'x', class: 'fatal' } } : { output: key },
      );
    run(false);
    expect(player.status('pay~compensate')).toBe('succeeded');
    player.send({ type: 'retry' });
    expect(['pay', 'ship', 'x', 'pay~compensate'].map(player.status)).toEqual([
      'ready',
      'pending',
      'pending',
      'pending',
    ]);
    run(false);
    expect(player.step('pay~compensate').attempt).toBe(2);
    player.send({ type: 'retry' });
    run(true);
    expect(player.run.facts.status).toBe('succeeded');
  });

  test('of a run that has not ended it changes nothing', () => {
    const player = play(flow([call('a')]));
    expect(player.send({ type: 'retry' }).steps).toEqual([]);
  });
});
