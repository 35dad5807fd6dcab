import { afterEach, describe, expect, test } from '@jest/globals';
import type { BusMessage } from '../../jobs/reply-bus.ts';
import { registrationOf } from '../servers/registration.ts';
import { expectWithin, inTime, timeOf } from '../support/in-time.ts';
import { waitFor } from '../support/wait-for.ts';
import { type JobRunSeen, MODEL, setupPool } from './pool-bundle.ts';

type Bundle = Awaited<ReturnType<typeof setupPool>>;

const bundles: Bundle[] = [];

afterEach(async () => {
  for (const bundle of bundles.splice(0)) await bundle.stop();
});

async function setup(options: Parameters<typeof setupPool>[0]): Promise<Bundle> {
  const bundle = await setupPool(options);
  bundles.push(bundle);
  return bundle;
}

/** How a job ended: by which server, after how many calls, with which code. */
function endOf({ last }: JobRunSeen) {
  if (last?.type === 'done') return { server: last.facts.server, attempts: last.facts.attempts };
  if (last?.type !== 'failed') throw new Error(`the last frame is ${last?.type}`);
  return { code: last.error.code, attempts: last.facts.attempts };
}

const isAtWork = ({ server }: Bundle, id: string) =>
  waitFor(() => server(id).openCalls() > 0, `a call at ${id}`);

describe('a failed call', () => {
  test.each(['refuse', 'error-500', 'rate-limit', 'malformed-json'] as const)(
    'is made elsewhere within 100 ms (%s)',
    async (fault) => {
      const { run, server } = await setup({ servers: { bad: { fault }, good: {} } });
      await server('good').start();
      await run();

      await inTime(async () => {
        const times: number[] = [];
        for (let index = 0; index < 5; index++) {
          times.push(await timeOf(async () => expect(endOf(await run())).toMatchObject({ server: 'good' })));
        }
        expectWithin(100, times.sort((a, b) => a - b)[2] ?? Number.POSITIVE_INFINITY);
      });
    },
  );

  test('is made elsewhere at once where nobody listens, and no further call tries there', () =>
    inTime(async () => {
      const { run, server, callsOf } = await setup({ servers: { gone: {}, good: {} } });
      await server('gone').stop();

      const ms = await timeOf(async () =>
        expect(endOf(await run())).toEqual({ server: 'good', attempts: 2 }),
      );

      expect(endOf(await run({ caller: 'two' }))).toEqual({ server: 'good', attempts: 1 });
      expect(callsOf('good')).toBe(2);
      expectWithin(100, ms);
    }));

  test('is made again at the only server there is, which could not be reached just now', async () => {
    const { run, server, registry } = await setup({ servers: { only: {} } });
    await server('only').stop();
    const unsubscribe = registry.onChange(() => {
      unsubscribe();
      server('only').start();
    });

    expect(endOf(await run())).toEqual({ server: 'only', attempts: 2 });

    expect(endOf(await run())).toEqual({ server: 'only', attempts: 1 });
  });

  test('is made three times and no more at the only server, where nobody listens', async () => {
    const { run, server } = await setup({ servers: { only: {} } });
    await server('only').stop();

    expect(endOf(await run())).toEqual({ code: 'no_healthy_server', attempts: 3 });
  });

  test('of a server that hangs is made elsewhere after the first-token limit', () =>
    inTime(async () => {
      const { run } = await setup({ servers: { hung: { fault: 'hang' }, good: {} }, firstTokenMs: 300 });

      const ms = await timeOf(async () =>
        expect(endOf(await run())).toEqual({ server: 'good', attempts: 2 }),
      );

      expect(ms).toBeGreaterThan(290);
      expectWithin(600, ms);
    }));

  test("counts against its server by caller: one caller's input does not take it from the others", async () => {
    const { run, registry, callsOf } = await setup({ servers: { only: { fault: 'error-500' } } });
    for (let index = 0; index < 5; index++) await run({ caller: 'poison' });
    expect([callsOf('only'), registry.server('only')?.state]).toEqual([15, 'unknown']);

    expect(endOf(await run({ caller: 'second' }))).toMatchObject({ code: 'bad_backend', attempts: 1 });

    expect(registry.server('only')?.state).toBe('degraded');
    expect(endOf(await run({ caller: 'second' }))).toEqual({ code: 'no_healthy_server', attempts: 0 });
    expect(callsOf('only')).toBe(16);
  });

  test('of callers without keys counts by their bodies', async () => {
    const { run, registry } = await setup({ servers: { only: { fault: 'error-500' } } });

    await run({ caller: null });
    await run({ caller: null });

    expect(registry.server('only')?.state).toBe('degraded');
  });

  test('stops nobody any more once one probe has passed', async () => {
    const { run, server, callsOf } = await setup({ servers: { only: { fault: 'error-500' } } });
    await run({ caller: 'a' });
    await run({ caller: 'b' });
    server('only').setFault(undefined);
    const before = callsOf('only');
    expect(endOf(await run())).toMatchObject({ code: 'no_healthy_server' });

    await waitFor(async () => 'server' in endOf(await run()), 'the probe');

    expect(callsOf('only')).toBe(before + 1);
    const ends = await Promise.all(Array.from({ length: 20 }, () => run()));
    expect(ends.map((end) => endOf(end))).toEqual(Array(20).fill({ server: 'only', attempts: 1 }));
  });
});

describe('a server that claims a model which it does not have', () => {
  const claim = ({ registry, server }: Bundle) =>
    registry.put(registrationOf('liar', { port: server('liar').port, models: [MODEL, 'claimed'] }));

  test('costs an attempt, not the answer, and goes on with the models that it has', async () => {
    const bundle = await setup({ servers: { liar: {}, honest: { models: [{ id: 'claimed' }] } } });
    bundle.registry.put(
      registrationOf('honest', { port: bundle.server('honest').port, models: ['claimed'], weight: 0.1 }),
    );
    claim(bundle);

    const ends = [endOf(await bundle.run({ model: 'claimed' })), endOf(await bundle.run())];

    expect(ends).toEqual([
      { server: 'honest', attempts: 2 },
      { server: 'liar', attempts: 1 },
    ]);
  });

  test('is not asked twice where it is the only one, and is to be checked', async () => {
    const bundle = await setup({ servers: { liar: {} } });
    claim(bundle);

    expect(endOf(await bundle.run({ model: 'claimed' }))).toEqual({ code: 'bad_backend', attempts: 1 });
    expect(bundle.registry.server('liar')?.health.isSuspect).toBe(true);
  });
});

describe('a server that answers 429', () => {
  test('with Retry-After is left alone for as long, and its caller hears how long', async () => {
    const { run, callsOf } = await setup({ servers: { only: { fault: 'rate-limit-retry-after' } } });
    const first = await run();

    const second = await run();

    for (const { last } of [first, second]) {
      expect(last).toMatchObject({ error: { code: 'rate_limit_exceeded', retryAfterSeconds: 2 } });
    }
    expect(callsOf('only')).toBe(1);
  });

  test('has its calls made elsewhere at once', async () => {
    const { run, callsOf } = await setup({ servers: { limited: { fault: 'rate-limit' }, good: {} } });

    expect(endOf(await run())).toEqual({ server: 'good', attempts: 2 });

    expect(endOf(await run())).toEqual({ server: 'good', attempts: 1 });
    expect(callsOf('limited')).toBe(1);
  });
});

describe('when everything fails', () => {
  test('what is made again stays within the budget', async () => {
    const servers = { a: { fault: 'error-500' }, b: { fault: 'error-500' } } as const;
    const { run, callsOf } = await setup({ servers, retryFloor: 10 });

    // Of one caller, so that no breaker helps.
    for (let turn = 0; turn < 20; turn++) await Promise.all(Array.from({ length: 10 }, () => run()));

    const calls = callsOf('a') + callsOf('b');
    expect(calls).toBeGreaterThan(200);
    expect(calls).toBeLessThanOrEqual(240);
  });

  test('nobody waits for what is not there, and the first server that returns is used', () =>
    inTime(async () => {
      const { run, server, registry } = await setup({ servers: { a: {}, b: {} } });
      await Promise.all([server('a').stop(), server('b').stop()]);
      await run();

      const ms = await timeOf(async () => {
        const { last } = await run();
        const error = { code: 'no_healthy_server', retryAfterSeconds: expect.any(Number) };
        expect(last).toMatchObject({ type: 'failed', error });
      });
      await server('b').start();
      registry.report('b', { models: [{ id: MODEL, loaded: null }] }, 1);

      expect(endOf(await run())).toEqual({ server: 'b', attempts: 1 });
      expectWithin(100, ms);
    }));
});

describe('jobs that are moved from a server', () => {
  const SLOW = 'sim:first=5000';
  const moving = {
    servers: { old: { models: [{ id: SLOW }] }, new: { models: [{ id: SLOW }] } },
    firstTokenMs: 20_000,
  };

  /** Tells the process to move its jobs from `serverId`; how many it says it moved. */
  async function move({ bus, registry }: Bundle, serverId: string): Promise<number[]> {
    const answers: number[] = [];
    const unsubscribe = bus.subscribe((message: BusMessage) => {
      if (message.kind === 'moved') answers.push(message.jobs);
    });
    registry.setDraining(serverId, true);
    await bus.broadcast({ kind: 'move', serverId, from: bus.inbox });
    unsubscribe();
    return answers;
  }

  test('go on at another one, at once, and count as no failure of the first', async () => {
    const bundle = await setup(moving);
    const jobs = [1, 2, 3, 4].map(() => bundle.run({ model: SLOW }));
    await waitFor(() => bundle.callsOf('old') === 2 && bundle.callsOf('new') === 2, 'two calls at each');

    expect(await move(bundle, 'old')).toEqual([2]);

    await waitFor(
      () => bundle.callsOf('new') === 4 && bundle.server('old').openCalls() === 0,
      'the moved calls',
    );
    const { health } = bundle.registry.server('old') ?? {};
    expect([health?.answers.size, health?.isSuspect]).toEqual([0, false]);
    const ends = await Promise.all(jobs);
    expect(ends.map((end) => endOf(end))).toEqual(Array(4).fill({ server: 'new', attempts: 1 }));
  }, 15_000);

  test('are only those whose callers have seen nothing: the others end where they are', async () => {
    const streaming = 'sim:token=20+tokens=20';
    const models = [{ id: streaming }];
    const bundle = await setup({ servers: { old: { models }, new: { models } } });
    let begun = false;
    bundle.bus.subscribe((message) => {
      begun ||= message.kind === 'reply' && message.frame.type === 'chunks';
    });
    const job = bundle.run({ model: streaming });
    await waitFor(() => begun, 'the first chunk');

    expect(await move(bundle, 'old')).toEqual([0]);

    expect(endOf(await job)).toEqual({ server: 'old', attempts: 1 });
    expect(bundle.callsOf('new')).toBe(0);
  });

  test('stay where no other server could take them', async () => {
    const slow = 'sim:first=300';
    const bundle = await setup({ servers: { only: { models: [{ id: slow }] } } });
    const job = bundle.run({ model: slow });
    await isAtWork(bundle, 'only');

    expect(await move(bundle, 'only')).toEqual([0]);

    expect(endOf(await job)).toEqual({ server: 'only', attempts: 1 });
  });
});
