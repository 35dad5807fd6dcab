import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { type InboxId, type JobId, newInboxId, newJobId } from '../../core/ids.ts';
import type { ConsumeOptions, JobConsumer, JobOutcome, TakenJob } from '../../jobs/job-queue.ts';
import type { QueueSystem } from '../../jobs/queue-system.ts';
import type { BusMessage } from '../../jobs/reply-bus.ts';
import { waitFor } from '../support/wait-for.ts';

const TAG = 100;

export interface QueueSystemFixture {
  /** A queue system with a fresh inbox on the suite's store. */
  open(inbox: InboxId): Promise<QueueSystem>;
  close(): Promise<void>;
}

/** What every queue system guarantees, whatever its store. */
export function queueSystemSuite(start: () => Promise<QueueSystemFixture>): void {
  let fixture: QueueSystemFixture;
  let system: QueueSystem;
  const consumers: JobConsumer[] = [];

  beforeAll(async () => {
    fixture = await start();
    system = await fixture.open(newInboxId());
  });

  afterEach(async () => {
    await Promise.all(consumers.splice(0).map((consumer) => consumer.close()));
  });

  afterAll(async () => {
    await system?.close();
    await fixture?.close();
  });

  const queue = () => system.queue('lightweight');

  function consume(run: ConsumeOptions['run'], options: Partial<ConsumeOptions> = {}): JobConsumer {
    const consumer = queue().consume({ concurrency: 4, run, onDead: () => {}, ...options });
    consumers.push(consumer);
    return consumer;
  }

  /** Consumes with `run` until the job `id` has been run, and gives it as it came. */
  async function runOnce(id: JobId, outcome: JobOutcome = { status: 'done' }): Promise<TakenJob> {
    const taken = Promise.withResolvers<TakenJob>();
    consume(async (job) => {
      if (job.id === id) taken.resolve(job);
      return outcome;
    });
    return await taken.promise;
  }

  test('jobs of a paused queue wait, whichever process has consumers, and run once it is resumed', async () => {
    const ran: JobId[] = [];
    consume(async ({ id }) => {
      ran.push(id);
      return { status: 'done' };
    });
    const [first, second] = [newJobId(), newJobId()];

    await queue().setPaused(true);
    await queue().add(first, {}, TAG);
    expect(await queue().isPaused()).toBe(true);
    expect(await system.queue('heavyweight').isPaused()).toBe(false);
    // Whoever could claim it has looked by the time that a second one is in the store and claimed by nobody.
    await queue().add(second, {}, TAG);
    expect(await Promise.all([first, second].map((id) => queue().state(id)))).toEqual([
      { status: 'waiting' },
      { status: 'waiting' },
    ]);
    expect(await queue().remove(second)).toBe(true);
    expect(ran).toEqual([]);

    await queue().setPaused(false);
    await waitFor(() => ran.length > 0, 'the job ran');
    expect(ran).toEqual([first]);
    expect(await queue().isPaused()).toBe(false);
  });

  test('a job is in the store before anyone consumes it', async () => {
    const id = newJobId();

    await queue().add(id, { body: 'x' }, TAG);

    expect(await queue().state(id)).toEqual({ status: 'waiting' });
    await queue().remove(id);
  });

  test('tells since when the job waits whose turn is next', async () => {
    const [later, next] = [newJobId(), newJobId()];
    expect(await queue().nextAddedAtMs()).toBeNull();
    await queue().add(later, { body: 'x' }, TAG + 1);
    const from = Date.now();
    await queue().add(next, { body: 'x' }, TAG);

    expect(await queue().nextAddedAtMs()).toBeGreaterThanOrEqual(from);
    await Promise.all([queue().remove(later), queue().remove(next)]);
  });

  test('a job arrives with the text it was given, whatever it holds', async () => {
    const id = newJobId();
    const body = JSON.stringify({
      seed: '12345678901234567890',
      nul: '\u0000',
      lone: '\ud800',
      'é"\\': '漢字 😀',
    });

    await queue().add(id, { body, b: 1, a: null }, TAG);
    const taken = await runOnce(id);

    expect(taken).toMatchObject({ id, attempt: 1, data: { body, b: 1, a: null } });
    expect(Math.abs(Date.now() - taken.addedAtMs)).toBeLessThan(10_000);
  });

  test('adding an id that is there already changes nothing', async () => {
    const id = newJobId();
    await queue().add(id, { body: 'first' }, TAG);

    await queue().add(id, { body: 'second' }, TAG);

    expect(await runOnce(id)).toMatchObject({ data: { body: 'first' } });
  });

  test('a job that is done leaves nothing in the store', async () => {
    const id = newJobId();
    await queue().add(id, { body: 'x' }, TAG);

    await runOnce(id);

    await waitFor(async () => (await queue().state(id)).status === 'missing', 'the job is gone');
  });

  test('a dead job stays with its reason and is not run again', async () => {
    const id = newJobId();
    await queue().add(id, { body: 'x' }, TAG);

    await runOnce(id, { status: 'dead', reason: 'bad_backend' });

    const state = await waitFor(async () => {
      const now = await queue().state(id);
      return now.status === 'dead' ? now : null;
    }, 'the job is dead');
    expect(state).toEqual({ status: 'dead', reason: 'bad_backend' });
    expect((await queue().counts()).dead).toBeGreaterThanOrEqual(1);
  });

  test('a job that is put back is run again as its next attempt', async () => {
    const id = newJobId();
    const attempts: number[] = [];
    await queue().add(id, { body: 'x' }, TAG);

    consume(async (job) => {
      if (job.id !== id) return { status: 'done' };
      attempts.push(job.attempt);
      return attempts.length < 3
        ? { status: 'put-back', delayMs: attempts.length === 1 ? 0 : 20 }
        : { status: 'done' };
    });

    await waitFor(() => attempts.length === 3, 'three attempts');
    expect(attempts).toEqual([1, 2, 3]);
  });

  test('a waiting job can be removed and is then never run', async () => {
    const [removed, kept] = [newJobId(), newJobId()];
    await queue().add(removed, { body: 'x' }, TAG);
    await queue().add(kept, { body: 'x' }, TAG);
    const ran: string[] = [];

    expect(await queue().remove(removed)).toBe(true);
    consume(async (job) => {
      ran.push(job.id);
      return { status: 'done' };
    });

    await waitFor(() => ran.includes(kept), 'the other job ran');
    expect(ran).not.toContain(removed);
    expect(await queue().remove(removed)).toBe(false);
  });

  test('a running job cannot be removed, but its signal can be aborted', async () => {
    const id = newJobId();
    const running = Promise.withResolvers<void>();
    const aborted = Promise.withResolvers<void>();
    await queue().add(id, { body: 'x' }, TAG);

    const consumer = consume(async (_job, { signal }) => {
      running.resolve();
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      aborted.resolve();
      return { status: 'done' };
    });
    await running.promise;

    expect(await queue().remove(id)).toBe(false);
    expect(consumer.cancel(id)).toBe(true);
    await aborted.promise;
    expect(consumer.cancel(newJobId())).toBe(false);
  });

  test('concurrency that is raised takes effect while every job in hand still runs', async () => {
    const ids = [newJobId(), newJobId()];
    const open = Promise.withResolvers<void>();
    const ran: string[] = [];
    const consumer = consume(
      async (job) => {
        ran.push(job.id);
        await open.promise;
        return { status: 'done' };
      },
      { concurrency: 1 },
    );
    for (const id of ids) await queue().add(id, { body: 'x' }, TAG);
    await waitFor(() => ran.length === 1, 'the first job runs');

    consumer.setConcurrency(2);

    await waitFor(() => ran.length === 2, 'the second job runs beside it');
    open.resolve();
  });

  test('closing waits for the job in hand', async () => {
    const id = newJobId();
    const open = Promise.withResolvers<void>();
    const running = Promise.withResolvers<void>();
    const consumer = consume(async () => {
      running.resolve();
      await open.promise;
      return { status: 'done' };
    });
    await queue().add(id, { body: 'x' }, TAG);
    await running.promise;

    consumer.pause();
    const closed = consumer.close();
    expect(await queue().state(id)).toEqual({ status: 'active' });
    open.resolve();
    await closed;

    expect(await queue().state(id)).toEqual({ status: 'missing' });
  });

  test('each job runs once over several consumers', async () => {
    const ids = Array.from({ length: 200 }, newJobId);
    const ran: string[] = [];
    const run = async (job: TakenJob): Promise<JobOutcome> => {
      ran.push(job.id);
      return { status: 'done' };
    };
    for (const id of ids) await queue().add(id, { body: randomUUID() }, TAG);

    consume(run, { concurrency: 8 });
    consume(run, { concurrency: 8 });

    await waitFor(() => ran.length >= ids.length, 'all ran');
    expect([...ran].sort()).toEqual([...ids].sort());
  });

  test('the job with the lowest tag is taken first, whenever it was added', async () => {
    const [late, early, middle] = [newJobId(), newJobId(), newJobId()];
    const ran: string[] = [];
    await queue().add(late, {}, 300);
    await queue().add(early, {}, 1);
    await queue().add(middle, {}, 2 ** 21 - 1);
    await queue().reorder(middle, 200);
    await queue().reorder(newJobId(), 1);

    consume(
      async (job) => {
        ran.push(job.id);
        return { status: 'done' };
      },
      { concurrency: 1 },
    );

    await waitFor(() => ran.length === 3, 'all ran');
    expect(ran).toEqual([early, middle, late]);
  });

  test('jobs with one tag are taken in the order of their adds', async () => {
    const ids = Array.from({ length: 20 }, newJobId);
    const ran: string[] = [];
    for (const id of ids) await queue().add(id, { body: 'x' }, TAG);

    consume(
      async (job) => {
        ran.push(job.id);
        return { status: 'done' };
      },
      { concurrency: 1 },
    );

    await waitFor(() => ran.length >= ids.length, 'all ran');
    expect(ran).toEqual(ids);
  });

  test('the doorbell of runs rings for a consumer, and for no class', async () => {
    const id = newJobId();
    const heard: unknown[] = [];
    await system.runs.add(id, { runId: 'run_1' }, 1);

    const consumer = system.runs.consume({
      concurrency: 1,
      run: async ({ data }) => {
        heard.push(data);
        return { status: 'done' };
      },
      onDead: () => {},
    });

    await waitFor(() => heard.length > 0, 'the ring');
    expect(heard).toEqual([{ runId: 'run_1' }]);
    expect(await queue().state(id)).toEqual({ status: 'missing' });
    await consumer.close();
  });

  test('the queues of different classes do not mix', async () => {
    const id = newJobId();

    await system.queue('heavyweight').add(id, { body: 'x' }, TAG);

    expect(await queue().state(id)).toEqual({ status: 'missing' });
    expect(await system.queue('heavyweight').remove(id)).toBe(true);
  });

  test('the store answers a ping', async () => {
    await expect(system.ping()).resolves.toBeUndefined();
  });

  test('a message to an inbox arrives there, in order', async () => {
    const received: BusMessage[] = [];
    const unsubscribe = system.bus.subscribe((message) => received.push(message));
    const messages = Array.from({ length: 50 }, (_, seq) => reply(seq));

    const sent = await Promise.all(messages.map((message) => system.bus.send(system.bus.inbox, message)));

    await waitFor(() => received.length === messages.length, 'all messages');
    expect(received).toEqual(messages);
    expect(sent.every(Boolean)).toBe(true);
    unsubscribe();
  });

  test('a message to an inbox that is gone is told as such', async () => {
    expect(await system.bus.send(newInboxId(), reply(0))).toBe(false);
  });

  test('a broadcast reaches its sender too', async () => {
    const received: BusMessage[] = [];
    const unsubscribe = system.bus.subscribe((message) => received.push(message));
    const message = { kind: 'cancel', jobId: newJobId() } as const;

    await system.bus.broadcast(message);

    await waitFor(() => received.length > 0, 'the broadcast');
    expect(received).toEqual([message]);
    unsubscribe();
  });
}

function reply(seq: number): BusMessage {
  return {
    kind: 'reply',
    jobId: 'job_bus' as JobId,
    attempt: 1,
    seq,
    frame: { type: 'chunks', data: [`{"text":"${seq}"}`] },
  };
}
