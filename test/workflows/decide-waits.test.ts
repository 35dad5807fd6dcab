import { describe, expect, test } from '@jest/globals';
import { canSignal } from '../../workflows/signal-verdict.ts';
import { call, flow, give } from './definitions.ts';
import { play } from './run-player.ts';

describe('sleep', () => {
  test('a sleep ends when its time has come, and not before', () => {
    const player = play(
      flow([{ id: 'nap', type: 'sleep', for: '${{ input.how }}' }, give('a', 1, { after: ['nap'] })]),
      {
        how: '700ms',
      },
    );
    expect(player.run.facts.status).toBe('waiting');
    expect(player.wakeNext()).toBe('nap');
    expect([player.nowMs, player.run.facts.status]).toEqual([700, 'succeeded']);
    expect(player.step('nap').output).toBe(null);
  });

  test('a sleep may last until a time with its zone', () => {
    const until = (time: string) => play(flow([{ id: 'nap', type: 'sleep', until: '${{ input }}' }]), time);
    expect(until('2026-05-01T10:00:00+02:00').send({ type: 'pause' }).steps).toEqual([]);
    const player = until('2026-05-01T10:00:00+02:00');
    player.wakeNext();
    expect(player.nowMs).toBe(Date.parse('2026-05-01T08:00:00Z'));
    expect(until('2026-05-01T10:00:00').run.facts).toMatchObject({ error: { code: 'invalid_request' } });
  });

  test('a step that does not wait is not woken', () => {
    const player = play(flow([call('a')]));
    expect(player.send({ type: 'woken', key: 'a' }).steps).toEqual([]);
    expect(player.send({ type: 'woken', key: 'nope' }).steps).toEqual([]);
  });
});

describe('signals', () => {
  const approval = { id: 'ok', type: 'approve', timeout: '2d' };

  test('an approval gives what its signal says', () => {
    const player = play(flow([approval, give('a', '${{ steps.ok.output.by }}')]));
    expect([player.run.facts.status, player.status('ok')]).toEqual(['waiting', 'waiting']);
    expect(player.signal('ok', { by: 'me' }).signals).toEqual({ kept: [], consumed: ['signal_1'] });
    expect(player.run.facts).toMatchObject({ status: 'succeeded', output: 'me' });
  });

  test('an approval that nobody gives fails with its timeout', () => {
    const player = play(flow([approval]));
    player.wakeNext();
    expect(player.run.facts).toMatchObject({ status: 'failed', error: { code: 'deadline_exceeded' } });
  });

  test('signals that come before their steps are kept, and taken in order', () => {
    const wait = (id: string, after: string[]) => ({ id, type: 'wait_event', name: 'mail', after });
    const player = play(flow([call('a'), wait('one', ['a']), wait('two', ['one']), wait('three', ['two'])]));
    player.claim();
    expect(player.signal('mail', 1).signals).toMatchObject({ kept: [{ id: 'signal_1' }], consumed: [] });
    player.signal('mail', 2);
    expect(player.succeed('a').signals).toEqual({ kept: [], consumed: ['signal_1', 'signal_2'] });
    expect(['one', 'two'].map((key) => player.step(key).output)).toEqual([1, 2]);
    expect(player.status('three')).toBe('waiting');
    player.signal('mail', 3);
    expect(player.run.facts).toMatchObject({ status: 'succeeded', output: 3 });
  });

  test('the same signal twice counts once', () => {
    const player = play(flow([call('a'), { id: 'b', type: 'wait_event', name: 'x', after: ['a'] }]));
    const signal = { type: 'signal', id: 's', name: 'x', payload: 1 } as const;
    player.send(signal);
    expect(player.send(signal).events).toEqual([]);
    expect(player.run.kept).toHaveLength(1);
  });

  test('a signal goes to the step that has waited longest, or to the one whose key it names', () => {
    const player = play(
      flow([{ id: 'fan', type: 'map', over: [1, 2, 3], steps: [{ id: 'ok', type: 'approve' }] }]),
    );
    player.signal('fan[2]/ok', 'third');
    player.signal('ok', 'first');
    player.signal('ok', 'second');
    expect(player.run.facts.output).toEqual(['first', 'second', 'third']);
  });

  test('a second signal to an approval, one to an ended run, and one that no step listens to are not welcome', () => {
    const player = play(
      flow([call('a'), { id: 'ok', type: 'approve', after: ['a'] }, call('b', { after: ['ok'] })]),
    );
    const verdict = (name: string) => canSignal(player.run, name);
    expect([verdict('ok'), verdict('nope'), verdict('a')]).toEqual(['welcome', 'unknown', 'unknown']);
    player.signal('ok', 1);
    expect(verdict('ok')).toBe('taken');
    player.work(({ key }) => ({ output: key }));
    expect(verdict('ok')).toBe('ended');
  });

  test('an approval in a map takes a signal for each item, but one for each key', () => {
    const player = play(
      flow([{ id: 'fan', type: 'map', over: [1, 2, 3], steps: [{ id: 'ok', type: 'approve' }] }]),
    );
    player.signal('fan[1]/ok', 1);
    expect([canSignal(player.run, 'fan[1]/ok'), canSignal(player.run, 'ok')]).toEqual(['taken', 'welcome']);
  });

  test('an approval may be asked again when nobody gave it in time', () => {
    const player = play(flow([{ ...approval, retry: { max: 1, delay: '1s' } }]));
    player.wakeNext();
    expect(player.wakeNext()).toBe('ok');
    expect([player.nowMs, player.step('ok').waits]).toEqual([
      2 * 86_400_000 + 1_125,
      { for: 'signal', name: 'ok' },
    ]);
    player.signal('ok', 'late');
    expect(player.run.facts.output).toBe('late');
  });
});

describe('child runs', () => {
  const child = (fields = {}) => ({
    id: 'sub',
    type: 'workflow',
    workflow: 'other',
    input: { n: '${{ input.n }}' },
    ...fields,
  });
  const ended = (attempt: number, fields: object) =>
    ({
      type: 'child_ended',
      key: 'sub',
      attempt,
      status: 'succeeded',
      output: null,
      error: null,
      random: 0,
      ...fields,
    }) as const;

  test('a workflow step starts a run and gives its output', () => {
    const player = play(flow([child()]), { n: 3 });
    expect(player.run.facts.status).toBe('waiting');
    player.send(ended(1, { output: 'done' }));
    expect(player.run.facts).toMatchObject({ status: 'succeeded', output: 'done' });
  });

  test('a child that fails is tried again as a new run, and what the old one says then no longer counts', () => {
    const player = play(flow([child({ retry: { max: 1, delay: '1s' } })]), { n: 3 });
    const error = { code: 'bad_backend', message: 'no', class: 'rate_limited' };
    player.send(ended(1, { status: 'failed', error }));
    const { run } = player;
    expect(run.step('sub')).toMatchObject({ status: 'waiting', waits: { for: 'retry' }, failures: 1 });
    player.wakeNext();
    expect(player.send(ended(1, { output: 'old' })).fenced).toHaveLength(1);
    player.send(ended(2, { output: 'new' }));
    expect(player.run.facts.output).toBe('new');
  });

  test('a child that was cancelled fails its step', () => {
    const player = play(flow([child({ retry: { max: 1 } })]));
    player.send(ended(1, { status: 'cancelled' }));
    expect(player.run.facts).toMatchObject({ status: 'failed', error: { code: 'invalid_request' } });
  });

  test('a child is cancelled with its run, and when it takes too long', () => {
    const cancelled = play(flow([child()]), { n: 1 }).send({ type: 'cancel' });
    expect(cancelled.steps).toMatchObject([{ step: { key: 'sub', status: 'cancelled' }, cancelChild: true }]);
    const late = play(flow([child({ timeout: '5s' })]), { n: 1 }).send({ type: 'woken', key: 'sub' });
    expect(late.steps).toMatchObject([{ step: { status: 'failed' }, cancelChild: true }]);
  });
});

describe('emit', () => {
  test('an emit is an event of the run', () => {
    const player = play(
      flow([
        call('a'),
        { id: 'say', type: 'emit', event: 'half', data: { n: '${{ input.n }}' }, after: ['a'] },
      ]),
      { n: 2 },
    );
    player.claim();
    expect(player.succeed('a').events[1]).toEqual({
      type: 'emitted',
      key: 'say',
      data: { event: 'half', data: { n: 2 } },
    });
  });

  test('more data than an event may have fails the step', () => {
    const player = play(
      flow([{ id: 'say', type: 'emit', event: 'x', data: '${{ input }}' }]),
      'x'.repeat(17_000),
    );
    expect(player.run.facts).toMatchObject({ status: 'failed', error: { code: 'output_too_large' } });
  });
});
