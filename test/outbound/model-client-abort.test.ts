import { describe, expect, test } from '@jest/globals';
import { expectWithin, inTime } from '../support/in-time.ts';
import { sendJson, sendStream, waitFor } from '../support/scripted-server.ts';
import { bothHaveRead, chunk, event, failureOf, iteratorOf, setup, timers } from './support.ts';

type Chat = Parameters<typeof setup>[0];

const good = event(chunk('hi'));
const reason = new Error('the caller left');
const CLOSED_WITHIN_MS = 250;

async function opened(chat: Chat, options?: Parameters<typeof setup>[1]) {
  const it = await setup(chat, options);
  const controller = new AbortController();
  return Object.assign(it, {
    controller,
    /** Until when the server saw its call's connection close, in ms. */
    async closedAfter(act: () => unknown): Promise<number> {
      const startedAt = performance.now();
      await act();
      await waitFor(() => it.server.openCalls() === 0 && it.server.sockets.size === 0);
      return performance.now() - startedAt;
    },
    [Symbol.asyncDispose]: it.close,
  });
}

describe('aborting the signal closes the socket within 250 ms and throws its reason', () => {
  test.each<[string, Chat]>([
    ['before the headers', () => {}],
    ['before the first event', (res) => sendStream(res, [], { end: false })],
    ['in the midst of the first event', (res) => sendStream(res, ['data: {'], { end: false })],
    [
      'in the midst of a document',
      (res) => void res.writeHead(200, { 'content-type': 'application/json' }).write('{'),
    ],
    ['in the midst of an error body', (res) => void res.writeHead(500).write('{')],
  ])('%s', async (_name, chat) => {
    const before = timers();
    await inTime(async () => {
      await using it = await opened(chat);
      const failure = failureOf(it.call({}, it.controller.signal));
      await waitFor(() => it.server.requests.length === 1);
      await bothHaveRead();

      const closedMs = await it.closedAfter(() => it.controller.abort(reason));
      expect(await failure).toBe(reason);
      expectWithin(CLOSED_WITHIN_MS, closedMs);
    });
    await waitFor(() => timers() <= before);
  });

  test('while the stream is waited for', () =>
    inTime(async () => {
      await using it = await opened((res) => sendStream(res, [good], { end: false }));
      const events = iteratorOf(await it.call({}, it.controller.signal));
      await events.next();
      const next = events.next().catch((error: unknown) => error);
      const closedMs = await it.closedAfter(() => it.controller.abort(reason));
      expect(await next).toBe(reason);
      expect(await events.next()).toEqual({ done: true, value: undefined });
      expectWithin(CLOSED_WITHIN_MS, closedMs);
    }));

  test('while nobody reads the stream, whose events are dropped', () =>
    inTime(async () => {
      await using it = await opened((res) => sendStream(res, [good], { end: false }));
      const events = iteratorOf(await it.call({}, it.controller.signal));
      const closedMs = await it.closedAfter(() => it.controller.abort(reason));
      await expect(events.next()).rejects.toBe(reason);
      expectWithin(CLOSED_WITHIN_MS, closedMs);
    }));

  test('while a full stream is held up', () =>
    inTime(async () => {
      await using it = await opened((res) => sendStream(res, [good.repeat(50_000)], { end: false }));
      const events = iteratorOf(await it.call({ answerBytesMax: 2 ** 30 }, it.controller.signal));
      await bothHaveRead();
      const closedMs = await it.closedAfter(() => it.controller.abort(reason));
      await expect(events.next()).rejects.toBe(reason);
      expectWithin(CLOSED_WITHIN_MS, closedMs);
    }));
});

describe('a signal', () => {
  test('that was aborted before sends nothing', async () => {
    await using it = await opened((res) => sendJson(res, {}));
    expect(await failureOf(it.call({}, AbortSignal.abort(reason)))).toBe(reason);
    expect(it.server.requests).toEqual([]);
  });

  test('that is aborted while the call waits for a connection leaves that connection to the next call', async () => {
    let send = () => {};
    await using it = await opened(
      (res) => {
        send = () => sendJson(res, {});
      },
      { connectionsPerServer: 1 },
    );
    const first = it.call();
    await waitFor(() => it.server.requests.length === 1);
    const second = failureOf(it.call({}, it.controller.signal));
    const third = it.call();
    it.controller.abort(reason);
    expect(await second).toBe(reason);
    send();
    await first;
    await waitFor(() => it.server.requests.length === 2);
    send();
    await third;
    expect(it.server.requests[1]?.reused).toBe(true);
  });

  test('that is aborted after the answer changes nothing', async () => {
    await using it = await opened((res) => sendStream(res, [event(chunk('hi', 'stop')), event('[DONE]')]));
    const events = iteratorOf(await it.call({}, it.controller.signal));
    await waitFor(() => it.server.openCalls() === 0);
    it.controller.abort(reason);
    expect((await events.next()).value).toHaveLength(1);
    expect((await events.next()).done).toBe(true);
  });
});

describe('leaving the stream', () => {
  test('by break closes the socket within 250 ms', () =>
    inTime(async () => {
      await using it = await opened((res) => sendStream(res, [good], { end: false }));
      const answer = await it.call();
      if (answer.kind !== 'stream') throw new Error('no stream');
      const closedMs = await it.closedAfter(async () => {
        for await (const _batch of answer.events) break;
      });
      expectWithin(CLOSED_WITHIN_MS, closedMs);
    }));

  test('by return() ends a next() that still waits', async () => {
    await using it = await opened((res) => sendStream(res, [good], { end: false }));
    const events = iteratorOf(await it.call());
    await events.next();
    const next = events.next();
    await events.return?.();
    expect(await next).toEqual({ done: true, value: undefined });
    await waitFor(() => it.server.sockets.size === 0);
  });
});
