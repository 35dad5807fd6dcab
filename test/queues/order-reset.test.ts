import { afterEach, expect, test } from '@jest/globals';
import { type JobId, newInboxId, newJobId } from '../../core/ids.ts';
import { createLogger } from '../../core/logger.ts';
import { createAdmission } from '../../jobs/admission.ts';
import { createOrderReset } from '../../jobs/order-reset.ts';
import { createRedisQueues } from '../../queues/redis-queues.ts';
import { redisService, startRedis, type TestRedis } from '../support/redis.ts';
import { describeWith } from '../support/services.ts';
import { waitFor } from '../support/wait-for.ts';

const CLASS = 'lightweight';
const REQUEST = { keyName: 'key', priority: 'normal', tokens: 64, weight: 1 } as const;
const WORN = 2_000_000;
/** Of a normal request, where nothing has run yet. */
const FIRST_TAG = 4_002;

const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** What one API process has of the order: its queues on the shared Redis, its admission, its reset. */
async function openProcess(redis: TestRedis) {
  const queues = await createRedisQueues({
    url: redis.url,
    inbox: newInboxId(),
    allowUnsafe: false,
    logger: createLogger({ level: 'silent' }),
  });
  const queueDepth = { lightweight: 100, heavyweight: 100, embedding: 100 };
  const admission = createAdmission({ queueDepth, now: () => performance.now() });
  const reordered: Promise<void>[] = [];
  const queue = queues.queue(CLASS);
  const watched = {
    ...queue,
    reorder(id: JobId, tag: number) {
      const done = queue.reorder(id, tag);
      reordered.push(done);
      return done;
    },
  };
  const reset = createOrderReset({ ...queues, queue: () => watched }, admission);
  closers.push(
    () => queues.close(),
    () => reset.close(),
  );
  const admit = () => admission.admit(CLASS, REQUEST, null);
  return { queues, queue, admission, reset, admit, reordered };
}

async function setup() {
  const redis = await startRedis();
  closers.push(() => redis.stop());
  const processes = await Promise.all([openProcess(redis), openProcess(redis), openProcess(redis)]);
  for (const { admission } of processes) admission.reached(CLASS, WORN);
  return processes;
}

/** A process is told by the bus, the one that says so as well. */
function hasBegunAnew({ admission }: Awaited<ReturnType<typeof openProcess>>): boolean {
  return admission.worn().length === 0;
}

describeWith(redisService, 'an order that is worn, in three processes on one Redis,', () => {
  test('begins anew in all of them once nothing waits anywhere', async () => {
    const [one, other, third] = await setup();
    expect(one.admit()).toBeGreaterThan(WORN);

    await other.reset.tick();

    await waitFor(() => [one, other, third].every(hasBegunAnew), 'all three have begun anew', 5_000);
    expect(other.admit()).toBe(FIRST_TAG);
  });

  test('goes on while a request of any process waits in the store', async () => {
    const [one, other] = await setup();
    const id = newJobId();
    await one.queue.add(id, {}, one.admit());

    await other.reset.tick();

    expect(other.admit()).toBeGreaterThan(WORN);
    await one.queue.remove(id);
    await other.reset.tick();
    await waitFor(() => hasBegunAnew(other), 'it has begun anew', 5_000);
    expect(other.admit()).toBe(FIRST_TAG);
  });

  test('gives a request that came at that moment a place of the new order, before those that come later', async () => {
    const [one, other] = await setup();
    const late = newJobId();
    const tag = one.admit();
    one.admission.line(CLASS).join(late, tag);

    await one.queue.add(late, {}, tag);
    // Another process has seen the queue empty just before.
    await other.queues.bus.broadcast({ kind: 'order-reset', modelClass: CLASS });
    const hasNewPlace = () => one.admission.line(CLASS).placeFor(FIRST_TAG).position === 2;
    await waitFor(hasNewPlace, 'it has a place of the new order', 5_000);
    await Promise.all(one.reordered);
    const later = newJobId();
    await other.queue.add(later, {}, FIRST_TAG + 1);

    const taken: string[] = [];
    const consumer = other.queue.consume({
      concurrency: 1,
      run: async ({ id }) => {
        taken.push(id);
        return { status: 'done' };
      },
      onDead: () => {},
    });
    closers.push(() => consumer.close());
    await waitFor(() => taken.length === 2, 'both have run', 5_000);
    expect(taken).toEqual([late, later]);
  });
});
