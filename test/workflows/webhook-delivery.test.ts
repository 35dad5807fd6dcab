import { createHmac } from 'node:crypto';
import { afterEach, describe, expect, test } from '@jest/globals';
import { SECRET, setupDelivery } from './webhook-bundle.ts';

const HOUR_MS = 3_600_000;
const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()));
});

async function setup(...args: Parameters<typeof setupDelivery>) {
  const bundle = await setupDelivery(...args);
  closers.push(bundle.receiver.close);
  return bundle;
}

function only<T>([first]: readonly T[]): T {
  if (first === undefined) throw new Error('there is none');
  return first;
}

describe('a webhook', () => {
  test('is sent with the headers of Standard Webhooks, and a signature that its receiver can check', async () => {
    const { webhook, receiver, deliver, logLines } = await setup(() => 204);

    await deliver().tick();
    await deliver().tick();

    expect(webhook.delivered).toBe(true);
    expect(receiver.requests).toHaveLength(1);
    const { method, headers, body } = only(receiver.requests);
    const { 'webhook-id': id, 'webhook-timestamp': time } = headers;
    const bytes = Buffer.from(SECRET.slice('whsec_'.length), 'base64');
    const expected = createHmac('sha256', bytes).update(`${id}.${time}.${body}`).digest('base64');
    expect({ method, id, time, signature: headers['webhook-signature'] }).toEqual({
      method: 'POST',
      id: 'wh_1',
      time: String(Date.parse('2026-11-25T12:00:02Z') / 1_000),
      signature: `v1,${expected}`,
    });
    expect(headers['content-type']).toBe('application/json');
    expect(JSON.parse(body)).toEqual({
      type: 'job.succeeded',
      timestamp: '2026-11-25T12:00:02.000Z',
      data: {
        id: 'job_1',
        object: 'job',
        kind: 'chat',
        status: 'succeeded',
        error: null,
        tags: ['nightly'],
        created_at: '2026-11-25T12:00:00.000Z',
        ended_at: '2026-11-25T12:00:02.000Z',
      },
    });
    expect(logLines.join('')).not.toContain(SECRET.slice(6, 20));
  });

  test('is signed with the secret that it brings', async () => {
    const own = `whsec_${Buffer.alloc(24, 9).toString('base64')}`;
    const { receiver, deliver } = await setup(() => 200, { secret: own });

    await deliver().tick();

    const { headers, body } = only(receiver.requests);
    const text = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
    const signature = createHmac('sha256', Buffer.alloc(24, 9)).update(text).digest('base64');
    expect(headers['webhook-signature']).toBe(`v1,${signature}`);
  });

  test('whose receiver is down for an hour arrives after it, under the id of its first attempt', async () => {
    const { webhook, receiver, deliver, advance, sinceMs } = await setup((ms) => (ms < HOUR_MS ? 503 : 200));

    do await deliver().tick();
    while (advance());

    expect(webhook).toMatchObject({ delivered: true, reason: 'it answered 503' });
    expect(new Set(receiver.requests.map(({ headers }) => headers['webhook-id']))).toEqual(new Set(['wh_1']));
    expect(receiver.requests.length).toBeGreaterThan(5);
    expect(sinceMs()).toBeLessThan(3 * HOUR_MS);
  });

  test('that nobody ever takes is given up after about a day', async () => {
    const { webhook, receiver, deliver, advance, sinceMs } = await setup(() => 500);

    do await deliver().tick();
    while (advance());

    expect(webhook).toMatchObject({ delivered: false, attempts: 10, reason: 'it answered 500' });
    expect(receiver.requests).toHaveLength(10);
    expect(sinceMs()).toBeGreaterThan(20 * HOUR_MS);
    expect(sinceMs()).toBeLessThan(26 * HOUR_MS);
  });

  test('that its receiver says is gone is given up at once', async () => {
    const { webhook, deliver } = await setup(() => 410);

    await deliver().tick();

    expect(webhook).toMatchObject({ dueMs: null, delivered: false });
  });

  test('follows no redirect: that is a failure', async () => {
    const { webhook, receiver, deliver } = await setup(() => 302);

    await deliver().tick();

    expect(webhook.reason).toBe('it answered 302');
    expect(receiver.requests.map(({ path }) => path)).toEqual(['/hook']);
  });

  test('reaches no address inside, unless the operator has named it', async () => {
    const { webhook, receiver, deliver } = await setup(() => 200);

    await deliver([]).tick();

    expect(webhook.reason).toMatch(/CITADEL_OUTBOUND_ALLOW/);
    expect(receiver.sockets.size).toBe(0);
  });

  test.each([
    ['/silent', 'it did not answer in time'],
    ['http://127.0.0.1:1/hook', 'it could not be reached'],
  ])('to %s fails within its time: %s', async (url, reason) => {
    const { webhook, deliver } = await setup(() => 200, { url });

    await deliver(['127.0.0.1/32'], 300).tick();

    expect(webhook).toMatchObject({ reason, attempts: 1, delivered: false });
  });

  test('of an event that its receiver does not want is not sent', async () => {
    const { webhook, receiver, deliver } = await setup(() => 200, { events: ['job.failed'] });

    await deliver().tick();

    expect(webhook.dueMs).toBeNull();
    expect(receiver.requests).toEqual([]);
  });

  test('of a run that is gone is given up', async () => {
    const { webhook, deliver } = await setup(() => 200, { runId: 'job_2' as never });

    await deliver().tick();

    expect(webhook).toMatchObject({ dueMs: null, reason: 'its run is gone' });
  });
});
