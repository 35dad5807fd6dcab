import { describe, expect, test } from '@jest/globals';
import { changeSteps, reusableSteps } from '../../workflows/fork.ts';
import { call, flow, give, planOf } from './definitions.ts';
import { createPlayer, play, type RunPlayer } from './run-player.ts';

const undo = { id: 'undo', type: 'http', method: 'POST', url: 'https://example.com/' };

const steps = [
  call('fetch', { url: 'https://example.com/${{ input.page }}', compensate: undo }),
  call('sum', { body: '${{ steps.fetch.output }}' }),
  call('style', { body: '${{ input.tone }}' }),
  { id: 'fan', type: 'map', over: '${{ input.items }}', steps: [call('one', { body: '${{ item }}' })] },
  call('join', { body: '${{ [steps.sum.output, steps.style.output, steps.fan.output] }}' }),
];
const INPUT = { page: 'p', tone: 'dry', items: [1, 2] };

/** A run of `steps` that has succeeded, or failed at `broken`. */
function setup(broken?: string): RunPlayer {
  const player = play(flow(steps), INPUT);
  player.work(({ key }) =>
    key === broken ? { error: { code: 'x', message: 'x', class: 'fatal' } } : { output: `${key}!` },
  );
  return player;
}

const reused = (
  from: RunPlayer,
  fromStep: string,
  { input = INPUT as object, definition = flow(steps) as unknown } = {},
) =>
  reusableSteps({ plan: planOf(definition), input: input as never, from: from.run, fromStep }).map(
    ({ key }) => key,
  );

describe('what a fork takes over', () => {
  test('the step that it begins from runs again, with what waits for it', () => {
    const from = setup();
    expect(reused(from, 'sum')).toEqual(['fetch', 'style', 'fan', 'fan[0]/one', 'fan[1]/one']);
    expect(reused(from, 'join')).toEqual(['fetch', 'sum', 'style', 'fan', 'fan[0]/one', 'fan[1]/one']);
    expect(reused(from, 'fetch')).toEqual(['style', 'fan', 'fan[0]/one', 'fan[1]/one']);
  });

  test('a step inside a container, or a compensation, stands for what holds it', () => {
    expect(reused(setup(), 'fan/one')).toEqual(['fetch', 'sum', 'style']);
    expect(reused(setup(), 'one')).toEqual(['fetch', 'sum', 'style']);
    expect(reused(setup(), 'fetch~compensate')).toEqual(['style', 'fan', 'fan[0]/one', 'fan[1]/one']);
  });

  test('with another input, steps that come to the same are taken over', () => {
    const input = { ...INPUT, tone: 'warm' };
    expect(reused(setup(), 'join', { input })).toEqual(['fetch', 'sum', 'fan', 'fan[0]/one', 'fan[1]/one']);
    expect(reused(setup(), 'join', { input: { ...INPUT, items: [1, 3] } })).toEqual([
      'fetch',
      'sum',
      'style',
    ]);
    expect(reused(setup(), 'join', { input: { ...INPUT, page: 'q' } })).toEqual([
      'style',
      'fan',
      'fan[0]/one',
      'fan[1]/one',
    ]);
  });

  test('a step that was changed runs again, with what waits for it', () => {
    const definition = changeSteps(planOf(flow(steps)).definition, { sum: { method: 'PUT' } });
    expect(reused(setup(), 'join', { definition })).toEqual([
      'fetch',
      'style',
      'fan',
      'fan[0]/one',
      'fan[1]/one',
    ]);
  });

  test('what had not ended well, or was compensated, runs again', () => {
    expect(reused(setup('style'), 'join')).toEqual([]);
    expect(reused(setup('join'), 'join')).toEqual(['style', 'fan', 'fan[0]/one', 'fan[1]/one']);
  });

  test('a step that was skipped stays skipped while its condition is false', () => {
    const definition = flow([give('a', 1, { when: 'input.go' }), give('b', 2), give('c', 3)]);
    const from = play(definition, { go: false });
    expect(reused(from, 'c', { definition, input: { go: false, x: 1 } })).toEqual(['a', 'b']);
    expect(reused(from, 'c', { definition, input: { go: true } })).toEqual(['b']);
  });

  test('a step that the run does not have is refused', () => {
    expect(() => reused(setup(), 'nope')).toThrow('The run has no step "nope" to begin from.');
  });
});

describe('a forked run', () => {
  test('goes on from what it took over, and does not compensate it', () => {
    const plan = planOf(flow(steps));
    const rows = reusableSteps({ plan, input: INPUT, from: setup().run, fromStep: 'join' });
    const player = createPlayer(plan, INPUT, rows);
    player.send({ type: 'start' });
    expect(player.claim()).toEqual(['join']);
    player.fail('join');
    expect(player.run.facts.status).toBe('failed');
    expect(player.run.step('fetch~compensate')).toBeUndefined();
  });

  test('that takes everything over ends at once', () => {
    const plan = planOf(flow([give('a', 1), call('b')]));
    const from = play(flow([give('a', 1), call('b')]));
    from.work();
    const rows = [...from.run.table.keys()].map((key) => from.step(key));
    const player = createPlayer(plan, {}, rows);
    player.send({ type: 'start' });
    expect(player.run.facts).toMatchObject({ status: 'succeeded', output: 'b' });
  });
});

describe('changing steps', () => {
  const { definition } = planOf(
    flow([
      { id: 'par', type: 'parallel', branches: { a: [call('x'), call('y')], b: [call('x')] } },
      { id: 'fan', type: 'map', over: [1], steps: [call('z')] },
    ]),
  );

  test('fields are set by id or path, and the rest stays', () => {
    const changed = changeSteps(definition, { z: { method: 'PUT' }, 'par/b/x': { method: 'GET' } });
    const methods = Array.from(planOf(changed).steps.values(), ({ path, step }) => [
      path,
      'method' in step ? step.method : '',
    ]);
    expect(methods).toEqual([
      ['par', ''],
      ['par/a/x', 'POST'],
      ['par/a/y', 'POST'],
      ['par/b/x', 'GET'],
      ['fan', ''],
      ['fan/z', 'PUT'],
    ]);
  });

  test('steps that are not there, or not clear, are refused, and so is another id', () => {
    expect(() => changeSteps(definition, { nope: {} })).toThrow('The definition has no step "nope".');
    expect(() => changeSteps(definition, { x: {} })).toThrow('The definition has several steps "x".');
    expect(() => changeSteps(definition, { z: { id: 'q' } })).toThrow('The id of a step cannot be changed.');
  });
});
