import { afterEach, describe, expect, test } from '@jest/globals';
import type { TimelineEntry } from '../../jobs/reply-bus.ts';
import { registrationOf } from '../servers/registration.ts';
import { waitFor } from '../support/wait-for.ts';
import { type JobRunSeen, MODEL, setupPool } from './pool-bundle.ts';

type Bundle = Awaited<ReturnType<typeof setupPool>>;

const bundles: Bundle[] = [];

afterEach(async () => {
  for (const bundle of bundles.splice(0)) await bundle.stop();
});

async function setup(servers: Parameters<typeof setupPool>[0]['servers']): Promise<Bundle> {
  const bundle = await setupPool({ servers });
  bundles.push(bundle);
  return bundle;
}

function timelineOf({ last }: JobRunSeen): TimelineEntry[] | undefined {
  if (last?.type !== 'done' && last?.type !== 'failed') throw new Error(`the last frame is ${last?.type}`);
  return last.facts.timeline;
}

const withoutTimes = (entries: TimelineEntry[] = []) => entries.map(({ at_ms: _, ...entry }) => entry);

describe('the timeline of a job', () => {
  test('tells each attempt with its reason, what failed, the first token and the end', async () => {
    const { run, balancer } = await setup({ bad: { fault: 'error-500' }, good: {} });
    const { candidates } = balancer.explain({ model: MODEL, modelClass: 'lightweight', tried: new Set() });
    const sinceMs = Date.now();

    const timeline = timelineOf(await run({ explain: true }));

    const [bad, good] = [
      { server: 'bad', attempt: 1 },
      { server: 'good', attempt: 2 },
    ];
    expect(withoutTimes(timeline)).toEqual([
      { event: 'taken' },
      { event: 'attempt', ...bad, reason: 'least load 0.00 of 2', candidates },
      { event: 'failed', ...bad, reason: 'status 500' },
      {
        event: 'attempt',
        ...good,
        reason: 'least load 0.00 of 1',
        candidates: [
          { server: 'bad', score: null, reason: 'this call has failed there' },
          { server: 'good', score: 0, reason: 'chosen: 0 calls in flight' },
        ],
      },
      { event: 'first_token', ...good },
      { event: 'done' },
    ]);
    const times = timeline?.map(({ at_ms }) => at_ms) ?? [];
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(times[0]).toBeGreaterThanOrEqual(sinceMs);
  });

  test('comes with the start of a stream, as far as it goes then', async () => {
    const { run } = await setup({ only: {} });

    const { frames } = await run({ explain: true });

    const started = frames.find(({ type }) => type === 'started');
    const events = started?.type === 'started' ? started.timeline?.map(({ event }) => event) : null;
    expect(events).toEqual(['taken', 'attempt', 'first_token']);
  });

  test('tells that the job had to wait for a slot', async () => {
    const { run, registry, server, balancer, pool } = await setup({ only: {} });
    registry.put(registrationOf('only', { port: server('only').port, models: [MODEL], max_concurrency: 1 }));
    const slot = balancer.tryAcquire({ model: MODEL, modelClass: 'lightweight', tried: new Set() });
    const running = run({ explain: true });
    await waitFor(() => pool.inHand().parked === 1, 'the job is parked');

    if (typeof slot !== 'string') slot.release();

    expect(timelineOf(await running)?.map(({ event }) => event)).toEqual([
      'taken',
      'parked',
      'attempt',
      'first_token',
      'done',
    ]);
  });

  test('of a job without a server says why', async () => {
    const { run, registry } = await setup({ only: {} });
    registry.setDraining('only', true);

    expect(withoutTimes(timelineOf(await run({ explain: true })))).toEqual([
      { event: 'taken' },
      { event: 'failed', reason: 'no_healthy_server' },
    ]);
  });

  test('is not kept where nobody asks for it', async () => {
    const { run } = await setup({ only: {} });

    const { frames } = await run();

    expect(JSON.stringify(frames)).not.toContain('timeline');
  });
});
