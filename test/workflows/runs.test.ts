import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { RunId } from '../../core/ids.ts';
import { START_LIMIT_MS } from '../api/setup.ts';
import { expectWithin, inTime } from '../support/in-time.ts';
import { postgresService, startPostgres } from '../support/postgres.ts';
import { redisService, startRedis } from '../support/redis.ts';
import { describeWith } from '../support/services.ts';
import { waitFor } from '../support/wait-for.ts';
import { ask, MODEL, type RunBundle, SLOW, setupRuns } from './run-bundle.ts';

describe('a run on PGlite', () => runsSuite(() => setupRuns()));

describeWith(redisService, 'a run on Redis and Postgres', () => {
  describeWith(postgresService, 'which are servers', () => {
    runsSuite(async () => {
      const [redis, postgres] = await Promise.all([startRedis(), startPostgres()]);
      const bundle = await setupRuns({ env: { REDIS_URL: redis.url, DATABASE_URL: postgres?.url ?? '' } });
      return {
        ...bundle,
        async stop() {
          await bundle.stop();
          await Promise.all([redis.stop(), postgres?.stop()]);
        },
      };
    });
  });
});

const APPROVAL = {
  steps: [
    { id: 'ok', type: 'approve' },
    { id: 'done', type: 'transform', value: '${{ steps.ok.output }}' },
  ],
};

function runsSuite(open: () => Promise<RunBundle>): void {
  let bundle: RunBundle;

  beforeAll(async () => {
    bundle = await open();
  }, START_LIMIT_MS);

  afterAll(() => bundle?.stop(), START_LIMIT_MS);

  const calls = () => bundle.citadel.model.requests.filter(({ method }) => method === 'POST');

  test('goes from chat over transform to chat, each with what the one before gave', async () => {
    const id = await bundle.start(
      {
        steps: [
          { id: 'first', ...ask('${{ input.question }}') },
          { id: 'middle', type: 'transform', value: { said: '${{ steps.first.output.text }}' } },
          { id: 'last', ...ask('${{ steps.middle.output.said }}') },
        ],
        output: { said: '${{ steps.middle.output.said }}', last: '${{ steps.last.output.text }}' },
      },
      { question: 'What is a relay?' },
    );

    const { status, output } = await bundle.finish(id);

    expect({ status, output }).toMatchObject({
      status: 'succeeded',
      output: {
        said: expect.stringContaining('What is a relay?'),
        last: expect.stringContaining('You wrote'),
      },
    });
    expect(await bundle.eventsOf(id)).toEqual([
      'run.started',
      'step.started first',
      'step.succeeded first',
      'step.succeeded middle',
      'step.started last',
      'step.succeeded last',
      'run.succeeded',
    ]);
    const record = await bundle.runs.get(id);
    expect(record?.steps.map(({ key, status, attempt }) => [key, status, attempt])).toEqual([
      ['first', 'succeeded', 1],
      ['middle', 'succeeded', 1],
      ['last', 'succeeded', 1],
    ]);
    expect(record?.steps[0]?.output).toMatchObject({
      text: expect.any(String),
      json: null,
      message: { role: 'assistant' },
      finish_reason: 'stop',
      usage: { total_tokens: expect.any(Number) },
      model: MODEL,
    });
  });

  test('maps over a list with one call for each item, and keeps its order', async () => {
    const words = Array.from({ length: 120 }, (_, index) => `word-${index}`);
    const seenBefore = calls().length;

    const { output } = await bundle.run(
      {
        steps: [
          {
            id: 'each',
            type: 'map',
            over: '${{ input.words }}',
            concurrency: 40,
            steps: [
              { id: 'say', ...ask('${{ item }}') },
              { id: 'pair', type: 'transform', value: ['${{ index }}', '${{ item }}'] },
            ],
          },
        ],
      },
      { words },
    );

    expect(output).toEqual(words.map((word, index) => [index, word]));
    expect(calls().length - seenBefore).toBe(words.length);
  });

  test('is cancelled at once: its call of the model is stopped, and no further step begins', () =>
    inTime(async () => {
      const id = await bundle.start({
        steps: [
          { id: 'long', ...ask('Talk.', SLOW) },
          { id: 'next', ...ask('${{ steps.long.output.text }}') },
        ],
      });
      const call = await waitFor(() => calls().findLast(({ model }) => model === SLOW), 'the call has begun');

      const startedMs = performance.now();
      const { status } = await bundle.runs.cancel(id);
      await waitFor(() => call.aborted, 'the call is stopped');

      const tookMs = performance.now() - startedMs;
      expect(status).toBe('cancelled');
      const { steps } = (await bundle.runs.get(id)) ?? {};
      expect(steps?.map((step) => [step.key, step.status])).toEqual([
        ['long', 'cancelled'],
        ['next', 'cancelled'],
      ]);
      expect((await bundle.runs.attempts(id)).map(({ outcome }) => outcome)).toEqual(['cancelled']);
      expect((await bundle.runs.cancel(id)).status).toBe('cancelled');
      expectWithin(250, tookMs);
    }));

  test('waits for its approval, which comes once, and says so of what cannot come', async () => {
    const id = await bundle.start(APPROVAL);
    await bundle.untilStep(id, 'ok', 'waiting');

    await expect(bundle.runs.signal(id, 'other', {})).rejects.toMatchObject({ code: 'not_found' });
    const signals = await Promise.allSettled([1, 2, 3].map((by) => bundle.runs.signal(id, 'ok', { by })));

    expect(signals.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected', 'rejected']);
    expect(signals.find(({ status }) => status === 'rejected')).toMatchObject({
      reason: { code: 'conflict' },
    });
    expect((await bundle.finish(id)).output).toEqual({ by: expect.any(Number) });
    await expect(bundle.runs.signal(id, 'ok', {})).rejects.toMatchObject({ code: 'conflict' });
    await expect(bundle.runs.pause(id)).rejects.toMatchObject({ code: 'conflict' });
    await expect(bundle.runs.retry(id)).rejects.toMatchObject({ code: 'conflict' });
  });

  test('begins nothing while it is paused, and goes on when it is resumed', async () => {
    const id = await bundle.start(APPROVAL);
    await bundle.untilStep(id, 'ok', 'waiting');
    expect((await bundle.runs.pause(id)).status).toBe('paused');

    await bundle.runs.signal(id, 'ok', 'yes');
    expect((await bundle.runs.get(id))?.steps).toMatchObject([
      { status: 'succeeded' },
      { status: 'pending' },
    ]);
    await bundle.runs.resume(id);

    expect(await bundle.finish(id)).toMatchObject({ status: 'succeeded', output: 'yes' });
  });

  test('sleeps as long as it is told, and not for a turn of the relay longer', async () => {
    const startedMs = performance.now();
    const { status } = await bundle.run({ steps: [{ id: 'nap', type: 'sleep', for: '300ms' }] });
    const tookMs = performance.now() - startedMs;

    expect(status).toBe('succeeded');
    expect(tookMs).toBeGreaterThanOrEqual(300);
    expect(tookMs).toBeLessThan(3_000);
  });

  test('fails at its deadline, whatever it does', async () => {
    const id = await bundle.start(APPROVAL, {}, { deadlineMs: 200 });

    expect(await bundle.finish(id)).toMatchObject({ status: 'failed', error: { code: 'deadline_exceeded' } });
  });

  test('that starts itself fails when its runs stand 17 deep, saying why', async () => {
    const steps = [{ id: 'again', type: 'workflow', workflow: 'self' }];
    await bundle.definitions.put('self', { steps });

    const { status, error } = await bundle.run({ steps });

    expect({ status, error }).toMatchObject({
      status: 'failed',
      error: {
        code: 'invalid_request',
        message:
          'Runs may start each other 16 deep at most: `self`, which is that deep, cannot start `self`.',
      },
    });
    const { runs } = await bundle.runs.list({ kind: 'workflow', workflow: 'self', limit: 100 });
    expect(runs).toHaveLength(16);
  });

  test('runs other workflows as steps, and fails as they do', async () => {
    await bundle.definitions.put('double', {
      input: { type: 'object', required: ['n'] },
      steps: [{ id: 'times', type: 'transform', value: '${{ input.n * 2 }}' }],
    });
    const parent = (workflow: string, input: object) => ({
      steps: [{ id: 'child', type: 'workflow', workflow, input }],
    });

    const id = await bundle.start(parent('double', { n: 21 }));
    expect(await bundle.finish(id)).toMatchObject({ status: 'succeeded', output: 42 });
    const child = (await bundle.runs.get(id))?.steps[0]?.childRunId as RunId;
    expect(await bundle.runs.summary(child)).toMatchObject({
      workflow: 'double',
      parent: { runId: id, key: 'child', attempt: 1 },
    });
    expect(await bundle.run(parent('double', {}))).toMatchObject({
      status: 'failed',
      error: { code: 'invalid_request', message: expect.stringContaining('input') },
    });
    expect(await bundle.run(parent('unknown', {}))).toMatchObject({
      status: 'failed',
      error: { code: 'not_found' },
    });
  });

  test('that is cancelled cancels the runs that it has started', async () => {
    await bundle.definitions.put('waits', APPROVAL);
    const id = await bundle.start({ steps: [{ id: 'child', type: 'workflow', workflow: 'waits' }] });
    await bundle.untilStep(id, 'child', 'waiting');
    const child = (await bundle.runs.get(id))?.steps[0]?.childRunId as RunId;
    await bundle.untilStep(child, 'ok', 'waiting');

    await bundle.runs.cancel(id);

    expect(await bundle.finish(child)).toMatchObject({ status: 'cancelled' });
  });

  test('that failed is retried from where it failed', async () => {
    const id = await bundle.start(
      {
        steps: [
          { id: 'good', ...ask('Hello') },
          { id: 'bad', after: ['good'], ...ask('Hello', 'sim:bad-request') },
        ],
      },
      {},
    );
    expect(await bundle.finish(id)).toMatchObject({ status: 'failed', error: { code: expect.any(String) } });
    const [good] = (await bundle.runs.get(id))?.steps ?? [];

    await bundle.runs.retry(id);

    expect((await bundle.finish(id)).status).toBe('failed');
    const record = await bundle.runs.get(id);
    expect(record?.steps[0]).toEqual(good);
    expect(record?.steps[1]).toMatchObject({ status: 'failed', attempt: 2 });
    expect(await bundle.eventsOf(id)).toContain('run.retried');
  });

  test('is forked with what need not be done again', async () => {
    const id = await bundle.start({
      steps: [
        { id: 'draft', ...ask('One') },
        { id: 'final', ...ask('${{ steps.draft.output.text }} and more') },
      ],
    });
    await bundle.finish(id);
    const [draft] = (await bundle.runs.get(id))?.steps ?? [];
    const seenBefore = calls().length;

    const { run } = await bundle.runs.fork(id, { fromStep: 'final' }, { keyName: null });

    expect((await bundle.finish(run.id)).status).toBe('succeeded');
    expect(calls().length - seenBefore).toBe(1);
    const record = await bundle.runs.get(run.id);
    expect(record).toMatchObject({ forkedFrom: id });
    expect(record?.steps.find(({ key }) => key === 'draft')?.output).toEqual(draft?.output);
  });

  test('of a definition or an input that is wrong is refused with its path', async () => {
    const wrong = {
      steps: [{ id: 'a', type: 'chat', model: MODEL, messages: [], colour: '${{ nothing }}' }],
    };
    const strict = { input: { type: 'object', required: ['n'] }, steps: APPROVAL.steps };

    await expect(bundle.start(wrong)).rejects.toMatchObject({
      code: 'invalid_request',
      param: expect.stringMatching(/^\$\.steps\[0\]/),
    });
    await expect(bundle.start(strict)).rejects.toMatchObject({
      code: 'invalid_request',
      param: expect.stringMatching(/^input/),
    });
    await expect(
      bundle.runs.start({ workflow: 'not-there', input: {}, keyName: null }),
    ).rejects.toMatchObject({ code: 'not_found' });
  });

  test('waits for others of its concurrency key, and begins when one of them has ended', async () => {
    const definition = {
      ...APPROVAL,
      name: 'one-at-a-time',
      concurrency: { key: '${{ input.who }}', limit: 1 },
    };
    const [first, other] = [
      await bundle.start(definition, { who: 'a' }),
      await bundle.start(definition, { who: 'b' }),
    ];
    const second = await bundle.start(definition, { who: 'a' });
    await bundle.untilStep(first, 'ok', 'waiting');
    await bundle.untilStep(other, 'ok', 'waiting');
    expect((await bundle.runs.get(second))?.steps).toEqual([]);

    await bundle.runs.signal(first, 'ok', 1);

    await bundle.untilStep(second, 'ok', 'waiting');
  });
}
