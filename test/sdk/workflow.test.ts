import { describe, expect, test } from '@jest/globals';
import { cel } from '../../sdk/reference.ts';
import { workflow } from '../../sdk/workflow.ts';

describe('workflow', () => {
  test('a step that refers to another prints the expression', () => {
    const { definition } = workflow<{ topic: string }>('two', {}, (w) => {
      const draft = w.chat('draft', {
        model: 'phi3',
        temperature: 0,
        messages: [{ role: 'user', content: `Write about ${w.input.topic}` }],
      });
      return w.transform('shout', { value: { text: draft.output.text, run: w.run.id } });
    });

    expect(definition).toEqual({
      name: 'two',
      steps: [
        {
          id: 'draft',
          type: 'chat',
          model: 'phi3',
          temperature: 0,
          messages: [{ role: 'user', content: `Write about \${{ input.topic }}` }],
        },
        {
          id: 'shout',
          type: 'transform',
          value: { text: `\${{ steps.draft.output.text }}`, run: `\${{ run.id }}` },
        },
      ],
      output: `\${{ steps.shout.output }}`,
    });
  });

  test('common fields, and those of the run, are those of the JSON', () => {
    const { definition } = workflow(
      'fields',
      {
        input: { type: 'object' },
        deadline: '1h',
        tags: ['a'],
        concurrency: { key: 'one', limit: 1 },
        budget: { tokens: 100, on_exceed: 'fail' },
        on_failure: (w) => w.emit('tell', { event: 'failed', data: 'pay' }),
      },
      (w) => {
        const first = w.transform('first', { value: 1 });
        w.http('pay', {
          after: [first, 'first'],
          when: cel`${first.output} == ${1}`,
          retry: { max: 2, backoff: 'fixed', delay: '1s', on: ['transient'] },
          timeout: '5s',
          method: 'POST',
          url: 'http://127.0.0.1/pay',
          compensate: (c) => c.http('refund', { method: 'POST', url: 'http://127.0.0.1/refund' }),
        });
      },
    );

    expect(definition).toEqual({
      name: 'fields',
      input: { type: 'object' },
      deadline: '1h',
      tags: ['a'],
      concurrency: { key: 'one', limit: 1 },
      budget: { tokens: 100, on_exceed: 'fail' },
      steps: [
        { id: 'first', type: 'transform', value: 1 },
        {
          id: 'pay',
          type: 'http',
          after: ['first', 'first'],
          when: 'steps.first.output == 1',
          retry: { max: 2, backoff: 'fixed', delay: '1s', on: ['transient'] },
          timeout: '5s',
          method: 'POST',
          url: 'http://127.0.0.1/pay',
          compensate: { id: 'refund', type: 'http', method: 'POST', url: 'http://127.0.0.1/refund' },
        },
      ],
      on_failure: [{ id: 'tell', type: 'emit', event: 'failed', data: 'pay' }],
    });
  });

  test('containers hold the lists that their bodies name', () => {
    const { definition } = workflow<{ items: { n: number }[] }>('containers', {}, (w) => {
      w.map('fan', {
        over: w.input.items,
        concurrency: 2,
        tolerate: 1,
        steps: (s, item, index) => s.transform('twice', { value: cel`${item.n} * 2 + ${index}` }),
      });
      w.loop<number>('count', {
        max_iterations: 5,
        until: ({ output }) => cel`${output} >= 3`,
        steps: (s, { index }) => s.transform('next', { value: index }),
      });
      w.branch('pick', {
        cases: [{ when: 'true', steps: (s) => s.transform('yes', { value: 'y' }) }],
        else: (s) => s.transform('no', { value: 'n' }),
      });
      w.parallel<{ left: number; right: null }>('par', {
        branches: {
          left: (s) => s.transform('one', { value: 1 }),
          right: (s) => s.sleep('nap', { for: '1s' }),
        },
      });
    });

    expect(definition.steps).toEqual([
      {
        id: 'fan',
        type: 'map',
        over: `\${{ input.items }}`,
        concurrency: 2,
        tolerate: 1,
        steps: [{ id: 'twice', type: 'transform', value: `\${{ item.n * 2 + index }}` }],
      },
      {
        id: 'count',
        type: 'loop',
        max_iterations: 5,
        until: 'loop.output >= 3',
        steps: [{ id: 'next', type: 'transform', value: `\${{ loop.index }}` }],
      },
      {
        id: 'pick',
        type: 'branch',
        cases: [{ when: 'true', steps: [{ id: 'yes', type: 'transform', value: 'y' }] }],
        else: [{ id: 'no', type: 'transform', value: 'n' }],
      },
      {
        id: 'par',
        type: 'parallel',
        branches: {
          left: [{ id: 'one', type: 'transform', value: 1 }],
          right: [{ id: 'nap', type: 'sleep', for: '1s' }],
        },
      },
    ]);
    expect(definition).not.toHaveProperty('output');
  });

  test('steps that wait, call and tell print as they are', () => {
    const { definition } = workflow('others', {}, (w) => {
      w.embed('vector', { model: 'nomic-embed-text', input: ['a'] });
      const yes = w.approve<{ by: string }>('yes', { timeout: '1h' });
      w.wait_event('paid', { name: `paid-${yes.output.by}` });
      w.sleep('until', { until: '2030-01-01T00:00:00Z' });
      w.workflow('child', { workflow: 'other', input: { a: 1 } });
      w.fail('stop', { when: 'false', message: 'no' });
      return { by: yes.output.by, odd: yes.output };
    });

    expect(definition.steps.map(({ type, id }) => [type, id])).toEqual([
      ['embed', 'vector'],
      ['approve', 'yes'],
      ['wait_event', 'paid'],
      ['sleep', 'until'],
      ['workflow', 'child'],
      ['fail', 'stop'],
    ]);
    expect(definition.steps[2]).toMatchObject({ name: `paid-\${{ steps.yes.output.by }}` });
    expect(definition.output).toEqual({
      by: `\${{ steps.yes.output.by }}`,
      odd: `\${{ steps.yes.output }}`,
    });
  });

  test('names that are no identifiers are written in brackets', () => {
    const { definition } = workflow('odd-names', {}, (w) => {
      const step = w.transform<{ 'a name': number[] }>('step-1', { value: {} });
      return step.output['a name'][0];
    });

    expect(definition.output).toBe(`\${{ steps["step-1"].output["a name"][0] }}`);
  });

  test('a body that returns a step which is not its last is refused', () => {
    const build = () =>
      workflow('wrong', {}, (w) => {
        w.map('fan', {
          over: [1],
          steps: (s) => {
            const first = s.transform('first', { value: 1 });
            s.transform('second', { value: 2 });
            return first;
          },
        });
      });

    expect(build).toThrow('"first" is not the last');
  });

  test('a compensation of two steps is refused', () => {
    const build = () =>
      workflow('wrong', {}, (w) => {
        w.transform('one', {
          value: 1,
          compensate: (c) => {
            c.transform('a', { value: 1 });
            return c.transform('b', { value: 2 });
          },
        });
      });

    expect(build).toThrow('A compensation is one step.');
  });
});

describe('cel', () => {
  test('values become literals, references stay what they are', () => {
    const { definition } = workflow<{ kind: string }>('literals', {}, (w) =>
      w.transform('x', { value: 1, when: cel`${w.input.kind} in ${['a"b', 'c']} || ${null} == ${true}` }),
    );

    expect(definition.steps[0]?.when).toBe('input.kind in ["a\\"b","c"] || null == true');
  });

  test('what is neither is refused', () => {
    expect(() => cel`${() => 1}`).toThrow(TypeError);
  });
});
