import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Queue } from 'bullmq';
import { type JobId, newJobId } from '../../core/ids.ts';
import type { TakenJob } from '../../jobs/job-queue.ts';
import type { QueueSystem } from '../../jobs/queue-system.ts';
import type { ShortWay } from '../../queues/bullmq-store.ts';

const NAME = 'lightweight';
const TAG = 100;
const TOKEN = 'a-worker:1';
/** A lock of 8 s, and the look for the stalled each 3 s. */
const FOUND_WITHIN_MS = 16_000;

interface ShortWayFixture {
  system: QueueSystem & { native(): Queue[] };
  shortWay: ShortWay;
  close(): Promise<unknown>;
}

/** What every store's short way guarantees; it must be the way into and out of the lightweight queue. */
export function shortWaySuite(start: () => Promise<ShortWayFixture>): void {
  let fixture: ShortWayFixture;

  beforeAll(async () => {
    fixture = await start();
  });

  afterAll(() => fixture?.close());

  const queue = () => fixture.system.queue(NAME);
  const take = (id: JobId, token = TOKEN) =>
    fixture.shortWay.take({ id, data: { word: `for ${id}` }, tag: TAG, addedAtMs: Date.now() }, token);

  /** Everything that BullMQ reads of the job, but for what differs from one job to the next. */
  async function factsOf(id: JobId) {
    const native = fixture.system.native().find(({ name }) => name === NAME);
    const job = await native?.getJob(id);
    if (!job) throw new Error(`BullMQ finds no job ${id}`);
    const { timestamp, processedOn, opts, processedBy, data, ...facts } = job.asJSON();
    expect(Math.abs(Number(processedOn) - Number(timestamp))).toBeLessThan(60_000);
    const { jobId, timestamp: optsTimestamp, ...options } = opts as Record<string, unknown>;
    return { ...facts, id: 'id', data: JSON.parse(data), options };
  }

  test('a job stands in the store as one that BullMQ added and claimed', async () => {
    const [short, whole] = [newJobId(), newJobId()];
    await queue().add(whole, { word: 'for it' }, TAG);
    const held = Promise.withResolvers<void>();
    const claimed = Promise.withResolvers<void>();
    const consumer = queue().consume({
      concurrency: 1,
      onDead: () => {},
      async run() {
        claimed.resolve();
        await held.promise;
        return { status: 'done' };
      },
    });
    await claimed.promise;

    expect(await take(short)).toBe(true);

    expect(await queue().state(short)).toEqual(await queue().state(whole));
    expect(await factsOf(short)).toEqual({ ...(await factsOf(whole)), data: { word: `for ${short}` } });
    held.resolve();
    await consumer.close();
    await fixture.shortWay.finish(short, TOKEN);
  });

  test('a job that is done leaves nothing in the store', async () => {
    const id = newJobId();
    await take(id);

    expect(await fixture.shortWay.finish(id, TOKEN)).toBe(false);

    expect(await queue().state(id)).toEqual({ status: 'missing' });
    expect(await queue().counts()).toEqual({ waiting: 0, active: 0, delayed: 0, dead: 0 });
  });

  test('a job is ended by no token but its own, and by that once', async () => {
    const id = newJobId();
    await take(id);

    expect(await fixture.shortWay.finish(id, 'another:1')).toBeNull();
    expect(await queue().state(id)).toEqual({ status: 'active' });

    await fixture.shortWay.finish(id, TOKEN);
    expect(await fixture.shortWay.finish(id, TOKEN)).toBeNull();
  });

  test('an id that is there already is not taken again', async () => {
    const id = newJobId();
    await take(id);

    expect(await take(id, 'another:1')).toBe(false);

    expect(await fixture.shortWay.finish(id, TOKEN)).toBe(false);
  });

  test('no job overtakes one that waits', async () => {
    const [waiting, late] = [newJobId(), newJobId()];
    await queue().add(waiting, {}, TAG);

    expect(await take(late)).toBe(false);

    expect(await queue().state(late)).toEqual({ status: 'missing' });
    await queue().remove(waiting);
  });

  test('no job is taken from a paused queue', async () => {
    await queue().setPaused(true);

    expect(await take(newJobId())).toBe(false);

    await queue().setPaused(false);
  });

  test(
    'a job whose worker died is run by another as its next attempt',
    async () => {
      const id = newJobId();
      await take(id);

      const found = Promise.withResolvers<TakenJob>();
      const consumer = queue().consume({
        concurrency: 1,
        onDead: () => {},
        async run(job) {
          found.resolve(job);
          return { status: 'done' };
        },
      });

      expect(await found.promise).toMatchObject({ id, attempt: 2, data: { word: `for ${id}` }, tag: TAG });
      await consumer.close();
    },
    FOUND_WITHIN_MS,
  );
}
