import { describe, expect, test } from '@jest/globals';
import { compilePlan } from '../../workflows/plan.ts';
import { flow, give, planOf, problemsOf } from './definitions.ts';

const afterOf = (json: unknown) =>
  Object.fromEntries(Array.from(planOf(json).steps.values(), ({ path, after }) => [path, after]));

const EVERY_TYPE = flow(
  [
    {
      id: 'ask',
      type: 'chat',
      model: 'phi3',
      messages: [{ role: 'user', content: '${{ input.q }}' }],
      seed: 7,
    },
    { id: 'vector', type: 'embed', model: 'nomic-embed-text', input: '${{ steps.ask.output.text }}' },
    {
      id: 'call',
      type: 'http',
      method: 'POST',
      url: 'https://example.com/${{ run.id }}',
      body: { a: '${{ 1 }}' },
    },
    {
      id: 'pick',
      type: 'branch',
      cases: [
        { when: 'steps.ask.output.text == "a"', steps: [give('x'), give('y', '${{ steps.x.output }}')] },
        { when: 'true', steps: [give('z')] },
      ],
      else: [give('w')],
    },
    {
      id: 'fan',
      type: 'map',
      over: '${{ input.items }}',
      concurrency: 4,
      tolerate: 1,
      steps: [give('one', '${{ item }}'), give('two', '${{ index + steps.one.output }}')],
    },
    {
      id: 'again',
      type: 'loop',
      until: 'loop.output > 3 || loop.index == 2',
      max_iterations: 5,
      steps: [give('turn', '${{ loop.index + steps.fan.output[0] }}')],
    },
    { id: 'par', type: 'parallel', branches: { left: [give('l')], 'right-2': [give('r')] } },
    { id: 'approval', type: 'approve', timeout: '2d' },
    { id: 'event', type: 'wait_event', name: 'paid-${{ input.order }}' },
    { id: 'nap', type: 'sleep', for: '700ms' },
    { id: 'night', type: 'sleep', until: '${{ input.at }}' },
    { id: 'child', type: 'workflow', workflow: 'other', input: { a: '${{ input.a }}' } },
    { id: 'tell', type: 'emit', event: 'done', data: '${{ steps.child.output }}' },
    { id: 'stop', type: 'fail', message: 'no ${{ input.a }}', when: 'steps.tell.status == "failed"' },
    {
      ...give('pay', 1),
      after: ['nap'],
      retry: { max: 3, backoff: 'fixed', delay: '2s', max_delay: '1m', on: ['transient', 'rate_limited'] },
      cache: { key: '${{ input.order }}', ttl: '1h' },
      output: { schema: { type: 'number' } },
      compensate: give('undo', '${{ steps.pay.output }}'),
    },
  ],
  {
    description: 'everything',
    input: { type: 'object', properties: { q: { type: 'string' } } },
    output: { answer: '${{ steps.ask.output.text }}' },
    on_failure: [give('note', '${{ steps.ask.error }}'), give('note2', '${{ steps.note.output }}')],
    deadline: '1h',
    concurrency: { key: '${{ input.order }}', limit: 2 },
    tags: ['a'],
    budget: { tokens: 1000 },
  },
);

describe('a plan', () => {
  test('holds every step of every list by its path, with what it waits for', () => {
    expect(afterOf(EVERY_TYPE)).toEqual({
      ask: [],
      vector: ['ask'],
      call: [],
      pick: ['ask'],
      'pick/0/x': [],
      'pick/0/y': ['pick/0/x'],
      'pick/1/z': [],
      'pick/else/w': [],
      fan: [],
      'fan/one': [],
      'fan/two': ['fan/one'],
      again: ['fan'],
      'again/turn': [],
      par: [],
      'par/left/l': [],
      'par/right-2/r': [],
      approval: [],
      event: [],
      nap: [],
      night: [],
      child: [],
      tell: ['child'],
      stop: ['tell'],
      pay: ['nap'],
      'pay~compensate': [],
      'on_failure/note': [],
      'on_failure/note2': ['on_failure/note'],
    });
  });

  test('knows the container and the last step of each list', () => {
    const steps = [...planOf(EVERY_TYPE).steps.values()];

    expect(steps.filter(({ isLast }) => isLast).map(({ path }) => path)).toEqual([
      ...[
        'pick/0/y',
        'pick/1/z',
        'pick/else/w',
        'fan/two',
        'again/turn',
        'par/left/l',
        'par/right-2/r',
        'pay',
      ],
      ...['pay~compensate', 'on_failure/note2'],
    ]);
    expect(steps.find(({ path }) => path === 'pick/0/y')?.container).toBe('pick');
    expect(steps.find(({ path }) => path === 'pay')?.container).toBeNull();
  });

  test('has every expression compiled', () => {
    const plan = planOf(EVERY_TYPE);
    const scope = {
      input: { q: 'why?', items: [1, 2], order: 9, a: 'b' },
      steps: { ask: { output: { text: 'a' }, status: 'succeeded', error: null }, pay: { output: 1 } },
      run: { id: 'run_1' },
      loop: { index: 0, output: 4 },
    };
    const compiled = (path: string) => plan.steps.get(path)?.compiled;

    expect(compiled('ask')?.fields.evaluate(scope)).toEqual({
      model: 'phi3',
      messages: [{ role: 'user', content: 'why?' }],
      seed: 7,
    });
    expect(compiled('call')?.fields.evaluate(scope)).toEqual({
      method: 'POST',
      url: 'https://example.com/run_1',
      body: { a: 1 },
    });
    expect(compiled('pick')?.cases?.map((each) => each.evaluate(scope))).toEqual([true, true]);
    expect(compiled('pick')?.fields.evaluate(scope)).toEqual({});
    expect(compiled('fan')?.over?.evaluate(scope)).toEqual([1, 2]);
    expect(compiled('fan')?.fields.evaluate(scope)).toEqual({});
    expect(compiled('again')?.until?.evaluate(scope)).toBe(true);
    expect(compiled('nap')?.fields.evaluate(scope)).toEqual({ for: '700ms' });
    expect(compiled('pay')?.cacheKey?.evaluate(scope)).toBe(9);
    expect(compiled('pay~compensate')?.fields.evaluate(scope)).toEqual({ value: 1 });
    expect(plan.output?.evaluate(scope)).toEqual({ answer: 'a' });
    expect(plan.concurrencyKey?.evaluate(scope)).toBe(9);
  });

  test('has one hash for one definition, whatever its order and its shape', () => {
    const present = flow([
      give('a', { x: 1, y: 2 }, { retry: { max: 2 }, timeout: '30s' }),
      give('b', 1, { after: ['a'] }),
    ]);
    const older = {
      steps: [
        { retry_count: 2, timeout: 30, value: { y: 2, x: 1 }, action: 'transform', id: 'a' },
        { id: 'b', dependencies: ['a'], value: 1, action: 'transform' },
      ],
      name: 'flow',
    };

    expect(planOf(older).hash).toBe(planOf(present).hash);
    expect(planOf(present).hash).toMatch(/^[0-9a-f]{64}$/);
    expect(planOf(flow([give('a')])).hash).not.toBe(planOf(flow([give('a', 1)])).hash);
  });

  test('of its own definition is the same plan', () => {
    const plan = planOf(EVERY_TYPE);

    expect(compilePlan(plan.definition)).toMatchObject({ hash: plan.hash, definition: plan.definition });
  });

  test('of a definition that is not valid is an error', () => {
    expect(() => compilePlan({ name: 'x', steps: [] })).toThrow(
      expect.objectContaining({ code: 'invalid_request', param: '$.steps' }),
    );
  });
});

describe('what a step waits for', () => {
  test('are those that it names and those that it reads, at the top of a definition', () => {
    const steps = [
      give('a'),
      give('b'),
      give('c', '${{ steps.b.output }}', { after: ['a'] }),
      give('d', null, { when: 'steps.?c.?output.orValue(null) == null' }),
      give('e'),
    ];

    expect(afterOf(flow(steps))).toEqual({ a: [], b: [], c: ['a', 'b'], d: ['c'], e: [] });
  });

  test('is the one before it in a body, unless it says otherwise', () => {
    const steps = [
      give('a'),
      give('b'),
      give('c', null, { after: [] }),
      give('d', null, { after: ['a', 'c'] }),
      give('e'),
    ];

    expect(afterOf(flow([{ id: 'm', type: 'map', over: [1], steps }]))).toEqual({
      m: [],
      'm/a': [],
      'm/b': ['m/a'],
      'm/c': [],
      'm/d': ['m/a', 'm/c'],
      'm/e': ['m/d'],
    });
  });

  test('for what its body reads outside is waited for by the container', () => {
    const inner = {
      id: 'inner',
      type: 'loop',
      until: 'true',
      max_iterations: 2,
      steps: [give('x', '${{ steps.early.output + steps.near.output }}')],
    };
    const outer = { id: 'outer', type: 'parallel', branches: { p: [give('near'), inner] } };

    expect(afterOf(flow([outer, give('early')]))).toEqual({
      outer: ['early'],
      'outer/p/near': [],
      'outer/p/inner': ['outer/p/near'],
      'outer/p/inner/x': [],
      early: [],
    });
  });

  test('is nothing for compensations and when the run has failed', () => {
    const steps = [give('a', null, { compensate: give('undo', '${{ steps.b.output }}') }), give('b')];
    const on_failure = [give('tell', '${{ steps.a.error }}')];

    expect(afterOf(flow(steps, { on_failure }))).toEqual({
      a: [],
      'a~compensate': [],
      b: [],
      'on_failure/tell': [],
    });
  });
});

describe('a definition is refused, with the path, for', () => {
  const map = (steps: unknown[], fields = {}) => ({ id: 'm', type: 'map', over: [1], steps, ...fields });

  test.each<[string, unknown, string, string]>([
    ['no object', [], '$', 'expected object'],
    ['an unknown type', flow([{ id: 'a', type: 'chatt' }]), '$.steps[0].type', 'did you mean "chat"?'],
    [
      'an unknown field',
      flow([give('a', 1, { timout: '1s' })]),
      '$.steps[0].timout',
      'did you mean "timeout"?',
    ],
    ['a missing field', flow([{ id: 'a', type: 'emit' }]), '$.steps[0].event', 'is required'],
    ['a wrong id', flow([give('a.b')]), '$.steps[0].id', 'takes a letter'],
    ['two ids', flow([give('a'), give('b'), give('a')]), '$.steps[2].id', 'an earlier step too'],
    [
      'an id that hides another',
      flow([give('a'), map([give('a')])]),
      '$.steps[1].steps[0].id',
      'a step outside too',
    ],
    [
      'a cycle',
      flow([
        give('a', null, { after: ['c'] }),
        give('b', null, { after: ['a'] }),
        give('c', '${{ steps.b.output }}'),
      ]),
      '$.steps[0]',
      'a → c → b → a',
    ],
    ['a step that waits for itself', flow([give('a', null, { after: ['a'] })]), '$.steps[0]', 'a → a'],
    [
      'a step that reads itself',
      flow([give('a', '${{ steps.a.output }}')]),
      '$.steps[0].value',
      'refers to itself',
    ],
    [
      'a body that reads its container',
      flow([map([give('x', '${{ steps.m.output }}')])]),
      '$.steps[0].steps[0].value',
      'contains this step',
    ],
    [
      'a body that reads what comes later in it',
      flow([map([give('x', '${{ steps.y.output }}'), give('y')])]),
      '$.steps[0].steps[0]',
      'x → y → x',
    ],
    [
      'a cycle through a body',
      flow([map([give('x', '${{ steps.b.output }}')]), give('b', '${{ steps.m.output }}')]),
      '$.steps[0]',
      'm → b → m',
    ],
    [
      'an unknown step',
      flow([give('drafts'), give('b', '${{ steps.draft.output }}')]),
      '$.steps[1].value',
      'did you mean "drafts"?',
    ],
    [
      'an unknown step in after',
      flow([give('a', null, { after: ['nope'] })]),
      '$.steps[0].after[0]',
      'there is no step "nope"',
    ],
    [
      'a step inside a body',
      flow([map([give('x')]), give('b', 'see ${{ steps.x.output }}')]),
      '$.steps[1].value',
      '"x" stands inside "m"',
    ],
    [
      'a step of another branch',
      flow([
        { id: 'p', type: 'parallel', branches: { l: [give('x')], r: [give('y', '${{ steps.x.output }}')] } },
      ]),
      '$.steps[0].branches.r[0].value',
      '"x" stands inside "p"',
    ],
    [
      'after across lists',
      flow([give('a'), map([give('x', null, { after: ['a'] })])]),
      '$.steps[1].steps[0].after[0]',
      'there is no step "a"',
    ],
    ['item outside a map', flow([give('a', '${{ item }}')]), '$.steps[0].value', '"item" is not known'],
    [
      'loop outside a loop',
      flow([give('a', 1, { when: 'loop.index > 1' })]),
      '$.steps[0].when',
      '"loop" is not known',
    ],
    [
      'a syntax error',
      flow([give('a', { deep: ['${{ 1 + }}'] })]),
      '$.steps[0].value.deep[0]',
      'at character 4',
    ],
    [
      'a type error',
      flow([give('a', 1, { when: '"a" + 1 == "a1"' })]),
      '$.steps[0].when',
      'no such overload',
    ],
    ['a condition that is none', flow([give('a', 1, { when: '1 + 1' })]), '$.steps[0].when', 'of type int'],
    [
      'a wrong case',
      flow([{ id: 'b', type: 'branch', cases: [{ when: 'inptu.a', steps: [give('x')] }] }]),
      '$.steps[0].cases[0].when',
      'did you mean "input"?',
    ],
    [
      'a wrong until',
      flow([{ id: 'l', type: 'loop', until: 'loop.itme', max_iterations: 2, steps: [give('x')] }]),
      '$.steps[0].until',
      '"loop.index" and "loop.output" only',
    ],
    [
      'a wrong output',
      flow([give('a')], { output: { x: '${{ steps.b.output }}' } }),
      '$.output',
      'there is no step "b"',
    ],
    [
      'a concurrency key on steps',
      flow([give('a')], { concurrency: { key: '${{ steps.a.output }}', limit: 1 } }),
      '$.concurrency.key',
      '"steps" is not known',
    ],
    [
      'a compensation of a compensation',
      flow([give('a', 1, { compensate: give('b', 1, { compensate: give('c') }) })]),
      '$.steps[0].compensate.compensate',
      'no compensation of its own',
    ],
    [
      'an input schema that is none',
      flow([give('a')], { input: { type: 'strin' } }),
      '$.input.type',
      'is no JSON Schema',
    ],
    [
      'an output schema with a bad pattern',
      flow([give('a', 1, { output: { schema: { pattern: '(?=a)' } } })]),
      '$.steps[0].output.schema',
      'RE2',
    ],
    [
      'a pattern in an expression',
      flow([give('a', '${{ input.x.matches("(a") }}')]),
      '$.steps[0].value',
      'missing closing )',
    ],
    ['a sleep without a time', flow([{ id: 'a', type: 'sleep' }]), '$.steps[0]', 'either "for" or "until"'],
    [
      'a sleep for nonsense',
      flow([{ id: 'a', type: 'sleep', for: '5 minutes' }]),
      '$.steps[0].for',
      'takes a duration',
    ],
    [
      'a sleep until a time without a zone',
      flow([{ id: 'a', type: 'sleep', until: '2026-01-01T00:00:00' }]),
      '$.steps[0].until',
      'with its zone',
    ],
    [
      'another protocol',
      flow([{ id: 'a', type: 'http', method: 'GET', url: 'file:///etc/passwd' }]),
      '$.steps[0].url',
      'http',
    ],
    ['a bare number for a duration', flow([give('a')], { deadline: 60 }), '$.deadline', 'expected string'],
    ['retrieve', flow([{ id: 'a', type: 'retrieve', collection: 'c' }]), '$.steps[0].query', 'is required'],
    [
      'ingest',
      flow([{ id: 'a', type: 'ingest', collection: 'c', documents: [] }]),
      '$.steps[0].documents',
      'takes a list that is not empty',
    ],
  ])('%s', (_what, json, path, message) => {
    expect(problemsOf(json)).toContainEqual({ path, message: expect.stringContaining(message) });
  });

  test('everything at once, shapes and expressions together', () => {
    const problems = problemsOf(
      flow(
        [
          give('a', '${{ nope }}'),
          { id: 'b', type: 'map', over: 'input.items', steps: [give('x', '${{ steps.a.output }}')] },
          give('c', '${{ steps.b.output + steps.zz.output }}', { retries: 3 }),
          give('d', '${{ steps.b.output }}', { after: ['e'] }),
        ],
        { nmae: 1, output: '${{ steps.dd.output }}' },
      ),
    );

    expect(problems.map(({ path }) => path)).toEqual([
      ...['$.steps[1].over', '$.steps[2].retries', '$.nmae'],
      ...['$.steps[0].value', '$.steps[3].after[0]', '$.output'],
    ]);
  });
});

test.each([
  ['map', { over: [1], steps: [give('x')] }],
  ['loop', { until: 'true', max_iterations: 1, steps: [give('x')] }],
  ['branch', { cases: [{ when: 'true', steps: [give('x')] }] }],
  ['parallel', { branches: { b: [give('x')] } }],
])(
  'a %s at the top may not be called on_failure, as steps inside it would be taken for those',
  (type, fields) => {
    expect(problemsOf(flow([{ id: 'on_failure', type, ...fields }]))).toMatchObject([
      { path: '$.steps[0].id', message: expect.stringContaining('takes another id') },
    ]);
    expect(problemsOf(flow([give('on_failure')]))).toEqual([]);
  },
);

describe('the caps on a definition', () => {
  const nested = (depth: number): unknown =>
    depth === 0 ? give('leaf') : { id: `d${depth}`, type: 'parallel', branches: { b: [nested(depth - 1)] } };
  const loops = (depth: number): unknown =>
    depth === 0
      ? give('leaf')
      : { id: `d${depth}`, type: 'loop', until: 'true', max_iterations: 1000, steps: [loops(depth - 1)] };
  const many = (count: number) => Array.from({ length: count }, (_, index) => give(`s${index}`));

  test('admit what is just within them', () => {
    expect(problemsOf(flow(many(1_000)))).toEqual([]);
    expect(problemsOf(flow([nested(8)]))).toEqual([]);
    expect(problemsOf(flow([give('a', 'x'.repeat(1_000_000))]))).toEqual([]);
  });

  test.each<[string, unknown, string]>([
    [
      'steps',
      flow([...many(999), { id: 'm', type: 'map', over: [1], steps: [give('x')] }]),
      'at most 1000 steps',
    ],
    ['nesting', flow([nested(9)]), 'at most 8 deep'],
    ['size', flow([give('a', 'x'.repeat(1_100_000))]), 'at most 1 MiB'],
    ['depth', flow([give('a', JSON.parse(`${'['.repeat(2_000)}${']'.repeat(2_000)}`))]), 'at most 64 levels'],
    ['turns', flow([loops(3)]), 'may run more than 1000000 steps'],
    [
      'turns of one loop',
      flow([{ id: 'l', type: 'loop', until: 'true', max_iterations: 1001, steps: [give('x')] }]),
      '<=1000',
    ],
    [
      'items at once',
      flow([{ id: 'm', type: 'map', over: [1], concurrency: 1001, steps: [give('x')] }]),
      '<=1000',
    ],
    [
      'expressions',
      flow([
        give(
          'a',
          Array.from({ length: 6_000 }, () => '${{ 1 }}'),
        ),
      ]),
      'at most 5000 expressions',
    ],
    [
      'texts of expressions',
      flow([
        give(
          'a',
          Array.from({ length: 50 }, () => `\${{ "${'x'.repeat(3_000)}" }}`),
        ),
      ]),
      'at most 5000 expressions of 131072 characters',
    ],
    [
      'schemas',
      flow(
        Array.from({ length: 3 }, (_, index) =>
          give(`s${index}`, 1, { output: { schema: { description: 'x'.repeat(60_000) } } }),
        ),
      ),
      'more than 131072 characters',
    ],
  ])('hold for %s', (_what, json, message) => {
    expect(problemsOf(json)).toContainEqual({
      path: expect.any(String),
      message: expect.stringContaining(message),
    });
  });

  test('keep planning the worst definition within seconds', () => {
    const startedMs = performance.now();
    const sums = Array.from({ length: 60 }, () => `\${{ 1${' + 1'.repeat(240)} }}`);
    const unknown = Array.from({ length: 990 }, (_, index) =>
      give(`s${index}`, `\${{ steps.t${index}.output }}`, { [`${'k'.repeat(50)}${index}`]: 1 }),
    );

    expect(problemsOf(flow([give('a', sums)]))).toEqual([]);
    expect(problemsOf(flow(unknown))).toHaveLength(100);
    expect(performance.now() - startedMs).toBeLessThan(5_000);
  });
});
