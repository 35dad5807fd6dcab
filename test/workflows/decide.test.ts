import { describe, expect, test } from '@jest/globals';
import { call, flow, give } from './definitions.ts';
import { play } from './run-player.ts';

const succeeded = (output: unknown) => ({ status: 'succeeded', output, error: null, tokens: 0 });

describe('order', () => {
  test('steps at the top begin together, and one that refers to another waits for it', () => {
    const player = play(flow([call('a'), call('b'), call('c', { body: '${{ steps.a.output }}' })]));
    expect(player.claim()).toEqual(['a', 'b']);
    player.succeed('a');
    expect(player.claim()).toEqual(['c']);
    player.succeed('c', 'end');
    expect(player.run.facts.status).toBe('running');
    player.succeed('b');
    expect(player.run.facts).toEqual(succeeded('end'));
  });

  test('the output of a run may name a step more than once', () => {
    const output = { twice: '${{ steps.a.output + steps.a.output }}', again: '${{ steps.a.output }}' };
    const player = play({ ...flow([give('a', 'x')]), output });
    expect(player.run.facts).toEqual(succeeded({ twice: 'xx', again: 'x' }));
  });

  test('a step may wait for several', () => {
    const player = play(flow([call('a'), call('b'), call('c', { after: ['a', 'b'] })]));
    player.claim();
    player.succeed('a');
    expect(player.claim()).toEqual([]);
    player.succeed('b');
    expect(player.claim()).toEqual(['c']);
  });

  test('a run is queued until a step of it runs', () => {
    const player = play(flow([call('a')]));
    expect([player.run.facts.status, player.log]).toEqual(['queued', []]);
    player.claim();
    expect([player.run.facts.status, player.log]).toEqual(['running', ['run.started', 'step.started a']]);
  });

  test('a claim takes no more than it may, in order', () => {
    const player = play(flow([call('a'), call('b'), call('c')]));
    expect([player.claim(2), player.claim(2), player.claim(2)]).toEqual([['a', 'b'], ['c'], []]);
  });

  test('transforms run within the decision that makes them possible', () => {
    const player = play(
      flow([call('a'), give('b', '${{ steps.a.output.n + 1 }}'), give('c', '${{ steps.b.output * 2 }}')]),
    );
    player.claim();
    player.succeed('a', { n: 20 });
    expect(player.run.facts).toEqual(succeeded(42));
    expect(player.log).toEqual([
      'run.started',
      'step.started a',
      'step.succeeded a',
      'step.succeeded b',
      'step.succeeded c',
      'run.succeeded',
    ]);
  });

  test('the output is what the definition says', () => {
    const player = play(
      flow([give('a', 1), give('b', 2)], { output: { sum: '${{ steps.a.output + steps.b.output }}' } }),
    );
    expect(player.run.facts).toEqual(succeeded({ sum: 3 }));
  });

  test('an output that cannot be evaluated fails the run, and another try fails it again', () => {
    const player = play(flow([give('a', {})], { output: '${{ steps.a.output.missing }}' }));
    expect(player.run.facts).toMatchObject({ status: 'failed', error: { code: 'invalid_request' } });
    player.send({ type: 'retry' });
    expect(player.run.facts.status).toBe('failed');
  });

  test('more evaluations than a decision may hold go on with the next claims', () => {
    const items = Array.from({ length: 1_200 }, (_, index) => index);
    const player = play(
      flow([{ id: 'fan', type: 'map', over: '${{ input.items }}', steps: [give('x', '${{ item }}')] }]),
      { items },
    );
    expect(player.run.table.run.ready).toBeGreaterThan(0);
    let claims = 0;
    for (; player.run.facts.status !== 'succeeded' && claims < 10; claims += 1) player.claim(0);
    expect(claims).toBe(2);
    expect(player.run.facts.output).toEqual(items);
  });
});

describe('when', () => {
  test('a step whose condition is false is skipped, and what waits for it alone is skipped too', () => {
    const player = play(
      flow([give('a', 1, { when: 'false' }), give('b', 2, { after: ['a'] }), give('c', 3)], {
        output: '${{ steps.a.status + "," + steps.b.status + "," + steps.c.status }}',
      }),
    );
    expect(player.run.facts).toEqual(succeeded('skipped,skipped,succeeded'));
  });

  test('a step that waits for a skipped one and another one runs, with null in place of the output', () => {
    const player = play(
      flow([
        give('a', 1, { when: 'false' }),
        give('b', 2),
        give('c', '${{ [steps.a.output, steps.b.output] }}'),
      ]),
    );
    expect(player.run.facts).toEqual(succeeded([null, 2]));
  });

  test('in a body, a step that only follows a skipped one runs', () => {
    const player = play(
      flow([
        {
          id: 'par',
          type: 'parallel',
          branches: { one: [give('a', 1, { when: 'false' }), give('b', 2)] },
        },
      ]),
    );
    expect(player.run.facts).toEqual(succeeded({ one: 2 }));
  });

  test('a condition that cannot be evaluated fails the step', () => {
    const player = play(flow([give('a', 1, { when: 'input.missing' })]));
    expect(player.step('a')).toMatchObject({ status: 'failed', error: { code: 'invalid_request' } });
    expect(player.run.facts.status).toBe('failed');
  });
});

describe('containers', () => {
  const branch = {
    id: 'pick',
    type: 'branch',
    cases: [
      { when: 'input.n > 10', steps: [give('x', 'big')] },
      { when: 'input.n > 5', steps: [call('y'), give('z', '${{ steps.y.output }}')] },
    ],
    else: [give('w', 'small')],
  };

  test('a branch runs the first case that holds, else its else, else nothing', () => {
    expect(play(flow([branch]), { n: 11 }).run.facts.output).toBe('big');
    expect(play(flow([branch]), { n: 1 }).run.facts.output).toBe('small');
    expect(play(flow([{ ...branch, else: undefined }]), { n: 1 }).run.facts).toEqual(succeeded(null));
    const player = play(flow([branch]), { n: 6 });
    expect(player.claim()).toEqual(['pick/1/y']);
    player.succeed('pick/1/y', 'mid');
    expect(player.run.facts).toEqual(succeeded('mid'));
    expect(player.run.step('pick/0/x')).toBeUndefined();
  });

  test('parallel branches run at once and give their outputs by name', () => {
    const player = play(
      flow([
        { id: 'par', type: 'parallel', branches: { left: [call('a')], right: [call('a'), give('b', 7)] } },
      ]),
    );
    expect(player.claim()).toEqual(['par/left/a', 'par/right/a']);
    player.succeed('par/right/a');
    player.succeed('par/left/a', 'L');
    expect(player.run.facts).toEqual(succeeded({ left: 'L', right: 7 }));
  });

  const fan = (fields = {}) => ({
    id: 'fan',
    type: 'map',
    over: '${{ input.items }}',
    steps: [call('one', { body: '${{ item }}' }), give('two', '${{ string(index) + steps.one.output }}')],
    ...fields,
  });

  test('a map has no more items at work than its concurrency, and keeps their order', () => {
    const player = play(flow([fan({ concurrency: 2 })]), { items: ['a', 'b', 'c', 'd'] });
    expect(player.claim()).toEqual(['fan[0]/one', 'fan[1]/one']);
    player.succeed('fan[1]/one', 'B');
    expect(player.claim()).toEqual(['fan[2]/one']);
    player.succeed('fan[2]/one', 'C');
    player.succeed('fan[0]/one', 'A');
    expect(player.claim()).toEqual(['fan[3]/one']);
    player.succeed('fan[3]/one', 'D');
    expect(player.run.facts).toEqual(succeeded(['0A', '1B', '2C', '3D']));
  });

  test('a map over nothing gives an empty list, and one over no list fails', () => {
    expect(play(flow([fan()]), { items: [] }).run.facts).toEqual(succeeded([]));
    expect(play(flow([fan()]), { items: 7 }).run.facts).toMatchObject({ status: 'failed' });
  });

  test('a map bears as many failed items as it tolerates, and gives null for them', () => {
    const player = play(flow([fan({ tolerate: 1 })]), { items: [1, 2, 3] });
    player.work(({ key }) =>
      key.startsWith('fan[1]')
        ? { error: { code: 'bad_backend', message: 'no', class: 'fatal' } }
        : { output: 'x' },
    );
    expect(player.run.facts).toEqual(succeeded(['0x', null, '2x']));
    expect([player.status('fan[1]/one'), player.status('fan[1]/two')]).toEqual(['failed', 'cancelled']);
  });

  test('one failed item more fails the map, and nothing else of it goes on', () => {
    const player = play(flow([fan({ tolerate: 1 })]), { items: [1, 2, 3, 4] });
    player.claim();
    player.fail('fan[0]/one');
    expect(player.run.facts.status).toBe('running');
    player.fail('fan[2]/one', { message: 'second' });
    expect(player.run.facts).toMatchObject({ status: 'failed', error: { message: 'second' } });
    expect([player.status('fan[1]/one'), player.status('fan[3]/one')]).toEqual(['cancelled', 'cancelled']);
    expect(player.claim()).toEqual([]);
  });

  test('a map in a map has its own items', () => {
    const player = play(
      flow([
        {
          id: 'rows',
          type: 'map',
          over: '${{ input.rows }}',
          steps: [
            {
              id: 'cells',
              type: 'map',
              over: '${{ item }}',
              steps: [give('cell', '${{ item + index }}')],
            },
            give('sum', '${{ [index, size(steps.cells.output)] }}'),
            give('both', '${{ [steps.sum.output, steps.cells.output] }}'),
          ],
        },
      ]),
      { rows: [[10, 20], [30]] },
    );
    expect(player.run.facts).toEqual(
      succeeded([
        [
          [0, 2],
          [10, 21],
        ],
        [[1, 1], [30]],
      ]),
    );
  });

  const loop = (until: string, max = 5) => ({
    id: 'loop',
    type: 'loop',
    until,
    max_iterations: max,
    steps: [
      give('n', '${{ (loop.index == 0 ? 1 : loop.output) * 2 }}'),
      call('ask', { body: '${{ steps.n.output }}' }),
    ],
  });

  test('a loop ends when its condition holds, each turn seeing the output of the one before', () => {
    const player = play(flow([loop('loop.output >= 8')]));
    player.work((_, fields) => ({ output: (fields as { body: number }).body }));
    expect(player.run.facts).toEqual(succeeded(8));
    expect(player.status('loop#2/ask')).toBe('succeeded');
    expect(player.run.step('loop#3/ask')).toBeUndefined();
  });

  test('a loop ends after its last turn', () => {
    const player = play(flow([loop('false', 3)]));
    player.work(() => ({ output: 1 }));
    expect(player.run.table.container('loop').bodies).toBe(3);
    expect(player.run.facts.status).toBe('succeeded');
  });

  test('a container that fails is tried again where it failed', () => {
    const player = play(flow([fan({ retry: { max: 1, delay: '1s' } })]), { items: [1, 2] });
    player.claim();
    player.succeed('fan[0]/one', 'a');
    player.fail('fan[1]/one', { class: 'transient' });
    expect(player.status('fan')).toBe('waiting');
    expect(player.wakeNext()).toBe('fan');
    expect(player.claim()).toEqual(['fan[1]/one']);
    player.succeed('fan[1]/one', 'b');
    expect(player.run.facts).toEqual(succeeded(['0a', '1b']));
  });

  test('a container that does not end within its timeout fails', () => {
    const player = play(flow([fan({ timeout: '1m' })]), { items: [1] });
    player.claim();
    expect(player.wakeNext()).toBe('fan');
    expect(player.nowMs).toBe(60_000);
    expect(player.run.facts).toMatchObject({ status: 'failed', error: { code: 'deadline_exceeded' } });
    expect(player.status('fan[0]/one')).toBe('cancelled');
  });

  test('a map that would take a run beyond its steps fails before it makes any', () => {
    const steps = ['a', 'b', 'c', 'd', 'e', 'f'].map((id) => give(id));
    const player = play(flow([{ id: 'wide', type: 'map', over: '${{ input.items }}', steps }]), {
      items: Array.from({ length: 20_000 }, () => 0),
    });
    expect(player.run.facts).toMatchObject({ status: 'failed', error: { code: 'invalid_request' } });
    expect(player.run.table.run.steps).toBe(1);
  });
});
